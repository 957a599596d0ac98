#include "prepare/pack_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "cloob/base/error.h"
#include "cloob/base/random.h"
#include "cloob/data/source_names.h"
#include "cloob/data/tar/index_file.h"
#include "prepare/image_folder.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::uint64_t fingerprint_of_files(const std::vector<fs::path>& files) {
  std::uint64_t hash = 0;
  for (const fs::path& file : files) {
    const FileStamp stamp = is_remote_name(file.native()) ? FileStamp() : stamp_of(file);
    hash = hash_text(fmt::format("{} {} {}", file.string(), stamp.bytes, stamp.modified_ns), hash);
  }
  return hash;
}

std::uint64_t fingerprint_of_keys(const Source& source) {
  std::uint64_t hash = 0;
  for (std::int64_t index = 0; index < source.size(); ++index) hash = hash_text(source.key(index), hash);
  return hash;
}

}  // namespace

PackSource open_pack_source(const DataConfig& config, const std::vector<std::string>& names) {
  const std::vector<fs::path> paths = expand_source_names(split_sources(names));
  const auto folder = std::ranges::find_if(paths, is_folder);
  if (folder == paths.end()) {
    return {make_source(config, names, Purpose::evaluation), fingerprint_of_files(paths)};
  }
  const auto file = std::ranges::find_if_not(paths, is_folder);
  if (file != paths.end()) {
    throw_user_error("'{}' is a folder and '{}' is not: name either folders of images, or tables, or shards",
                     folder->string(), file->string());
  }
  const auto images = std::make_shared<ImageFolder>(paths, config.webdataset, config.caption_encoding);
  return {images, fingerprint_of_keys(*images)};
}

}  // namespace cloob
