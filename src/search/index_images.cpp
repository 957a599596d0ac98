#include "cloob/search/index_images.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/image_files.h"
#include "cloob/data/image_suffixes.h"
#include "cloob/data/source_names.h"
#include "search/observed_source.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

void add_images(const fs::path& folder, std::vector<fs::path>& files) {
  const auto first = std::ssize(files);
  UndecodedFiles undecoded;
  std::int64_t num_links = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->path().filename().string().starts_with('.'))
      entry.disable_recursion_pending();
    else if (entry->is_directory(ignored))
      num_links += entry->is_symlink(ignored) ? 1 : 0;
    else if (has_image_name(entry->path()))
      files.push_back(entry->path());
    else
      undecoded.add(entry->path());
  }
  if (error) throw_user_error("cannot list the folder '{}': {}", folder.string(), error.message());
  if (num_links > 0)
    log_warning("search",
                "'{}': symbolic links to folders are not followed ({} left out): name these folders too",
                folder.string(), with_thousands(num_links));
  if (std::ssize(files) == first) {
    throw_user_error("'{}' has no {} file{}: name a folder of images, a table (.csv, .tsv) or shards ('{}')",
                     folder.string(), kImageExtensions,
                     undecoded.empty() ? "" : fmt::format(", only {}", undecoded.describe()),
                     (folder / "*.tar").string());
  }
  if (!undecoded.empty())
    log_warning("search", "'{}': left out are files of types that are not decoded: {}", folder.string(),
                undecoded.describe());
  std::sort(files.begin() + first, files.end());
}

// Where the image is, if it is a file: what the source says where it is, or its key.
std::string image_path(const Source& source, std::int64_t index, const std::string& key,
                       const std::vector<fs::path>& roots) {
  std::vector<fs::path> candidates = {source.describe(index)};
  for (const fs::path& root : roots) candidates.push_back(root / key);
  std::error_code ignored;
  for (const fs::path& path : candidates) {
    if (fs::is_regular_file(path, ignored)) return fs::absolute(path).lexically_normal().string();
  }
  return "";
}

// One for each caption, or one for all.
std::vector<IndexEntry> rows_of(const IndexEntry& image, const IndexImagesOptions& what) {
  if (!what.with_texts || !what.every_caption) return {image};
  std::vector<IndexEntry> rows;
  for (const std::string& caption : image.captions) {
    rows.push_back(image);
    rows.back().captions = {caption};
  }
  return rows;
}

}  // namespace

std::shared_ptr<const Source> open_index_source(const DataConfig& config,
                                                const std::vector<std::string>& names) {
  const std::vector<fs::path> paths = expand_source_names(split_sources(names));
  const auto is_folder = [](const fs::path& path) {
    std::error_code ignored;
    return fs::is_directory(path, ignored);
  };
  if (std::ranges::none_of(paths, is_folder)) return make_source(config, names, Purpose::evaluation);
  if (const auto file = std::ranges::find_if_not(paths, is_folder); file != paths.end())
    throw_user_error("'{}' is not a folder: name either folders of images, or tables, or shards",
                     file->string());
  std::vector<fs::path> files;
  for (const fs::path& folder : paths) add_images(folder, files);
  return make_image_file_source(std::move(files));
}

std::int64_t add_image_rows(const FeatureEncoder& encoder, const EncodeOptions& options,
                            const std::shared_ptr<const Source>& source, IndexWriter& writer,
                            const IndexImagesOptions& what) {
  if (what.with_texts) encoder.require_texts();
  const auto observed = std::make_shared<const ObservedSource>(source, what.with_thumbnails);
  EncodeOptions quiet = options;
  quiet.report = {};
  std::int64_t num_images = 0;
  encoder.encode_images(observed, options, SingleProcess(), [&](ImageFeatures batch, std::int64_t) {
    require_finite_features(batch.features.unit_BD, "image");
    num_images += std::ssize(batch.indices);
    IndexRows rows;
    std::vector<std::int64_t> image_of_row;
    std::vector<std::string> captions;
    for (std::size_t i = 0; i < batch.indices.size(); ++i) {
      const ObservedImage image = observed->take(batch.indices[i]);
      if (what.with_texts && batch.captions[i].empty())
        throw_user_error("'{}' has no caption to encode (with cloob index, leave out --texts)",
                         source->describe(batch.indices[i]));
      const IndexEntry entry{.key = image.key,
                             .path = image_path(*source, batch.indices[i], image.key, what.image_roots),
                             .captions = batch.captions[i]};
      for (IndexEntry& row : rows_of(entry, what)) {
        if (what.with_texts) captions.push_back(row.captions.front());
        rows.entries.push_back(std::move(row));
        rows.content_hashes.push_back(image.content_hash);
        if (what.with_thumbnails) rows.thumbnails.push_back(image.thumbnail);
        image_of_row.push_back(static_cast<std::int64_t>(i));
      }
    }
    rows.features_ND[Side::image] = batch.features.unit_BD.index_select(0, at::tensor(image_of_row));
    if (what.with_texts) {
      rows.features_ND[Side::text] = encoder.encode_texts(captions, quiet);
      require_finite_features(rows.features_ND[Side::text], "text");
    }
    writer.add(rows);
  });
  return num_images;
}

IndexHeader index_images(const FeatureEncoder& encoder, const EncodeOptions& options,
                         const std::shared_ptr<const Source>& source, const fs::path& folder,
                         IndexHeader header, const IndexImagesOptions& what) {
  IndexWriter writer(folder, encoder.model().config().embed_dim, what.with_thumbnails, what.type);
  header.skipped = source->size() - add_image_rows(encoder, options, source, writer, what);
  return writer.finish(std::move(header), what.layout, what.stop_requested);
}

}  // namespace cloob
