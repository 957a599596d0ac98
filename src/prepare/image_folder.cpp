#include "prepare/image_folder.h"

#include <fmt/core.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/captions.h"
#include "cloob/data/image_files.h"
#include "cloob/data/image_suffixes.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

bool has_extension(const fs::path& path, std::initializer_list<std::string_view> extensions) {
  return std::ranges::find(extensions, to_lower_ascii(path.extension().string())) != extensions.end();
}

// What a folder without images may be meant for.
std::string advice_for(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (has_extension(entry->path(), {".tar"})) {
      return fmt::format("name its shards: '{}'", (folder / "*.tar").string());
    }
    if (has_extension(entry->path(), {".csv", ".tsv"})) {
      return fmt::format("name the table in it: '{}'", entry->path().string());
    }
  }
  return "expected images with captions beside them, for example x.jpg and x.txt";
}

WeightedCaptions captions_in_json_of(const fs::path& path, const std::optional<std::string>& field) {
  const auto content = read_image_file(path);
  if (field) return captions_in_json(content, *field);
  try {
    return captions_in_json(content, "captions");
  } catch (const BadSample&) {
    return captions_in_json(content, "caption");
  }
}

std::optional<WeightedCaptions> find_captions(fs::path image, const WebdatasetConfig& config) {
  std::error_code error;
  if (!config.json_caption_field) {
    for (const std::string& suffix : config.caption_members) {
      if (!fs::exists(image.replace_extension(suffix), error)) continue;
      const bool one_per_line = config.text == TextMember::lines;
      return WeightedCaptions{captions_in_text(read_image_file(image), one_per_line), {}};
    }
  }
  if (!fs::exists(image.replace_extension("json"), error)) return std::nullopt;
  return captions_in_json_of(image, config.json_caption_field);
}

}  // namespace

ImageFolder::ImageFolder(const std::vector<fs::path>& folders, WebdatasetConfig config,
                         CaptionEncoding encoding)
    : config_(std::move(config)), encoding_(encoding) {
  if (folders.size() == 1) root_ = folders.front();
  for (const fs::path& folder : folders) add(folder);
}

void ImageFolder::add(const fs::path& folder) {
  const std::size_t first = files_.size();
  std::int64_t num_links = 0;
  UndecodedFiles undecoded;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->path().filename().string().starts_with('.')) {
      entry.disable_recursion_pending();
    } else if (entry->is_directory(ignored)) {
      num_links += entry->is_symlink(ignored) ? 1 : 0;
    } else if (has_image_name(entry->path())) {
      files_.push_back((root_.empty() ? entry->path() : entry->path().lexically_relative(root_)).string());
    } else {
      undecoded.add(entry->path());
    }
  }
  if (error) throw_user_error("cannot list the folder '{}': {}", folder.string(), error.message());
  if (num_links > 0) {
    log_warning("data", "'{}': {} symbolic links to folders are not followed: name these folders too",
                folder.string(), with_thousands(num_links));
  }
  if (files_.size() == first) {
    if (!undecoded.empty())
      throw_user_error("'{}' has no images that can be decoded, only {}: convert them to PNG or JPEG",
                       folder.string(), undecoded.describe());
    throw_user_error("'{}' has no {} file: {}", folder.string(), kImageExtensions, advice_for(folder));
  }
  if (!undecoded.empty()) {
    log_warning("data",
                "'{}': left out are files of types that are not decoded: {}; convert them to PNG or JPEG",
                folder.string(), undecoded.describe());
  }
  std::sort(files_.begin() + static_cast<std::ptrdiff_t>(first), files_.end());
}

WeightedCaptions ImageFolder::captions_of(std::int64_t index) const {
  auto captions = find_captions(path(index), config_);
  if (!captions) {
    const std::string text =
        config_.json_caption_field ? "" : fmt::format(".{} and no ", join(config_.caption_members, ", no ."));
    throw BadSample(BadKind::no_caption, fmt::format("there is no {}.json beside it", text));
  }
  decode_captions(*captions, encoding_);
  if (captions->captions.empty()) throw BadSample(BadKind::no_caption, "its caption is empty");
  return *captions;
}

std::vector<std::string> ImageFolder::read_captions(std::int64_t index) const {
  return captions_of(index).captions;
}

RawSample ImageFolder::read(std::int64_t index) const {
  RawSample sample;
  WeightedCaptions found = captions_of(index);
  sample.captions = std::move(found.captions);
  sample.caption_weights = std::move(found.weights);
  sample.key = file(index);
  sample.image_bytes = read_image_file(path(index));
  return sample;
}

}  // namespace cloob
