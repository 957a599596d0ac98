// Writes files for tests: text, gzip and shards.
#pragma once

#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/data/tar/tar_writer.h"

namespace cloob::testing {

inline std::filesystem::path write_text(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

using Members = std::vector<std::pair<std::string, std::string>>;

inline std::filesystem::path write_tar(const std::filesystem::path& path, const Members& members) {
  TarWriter writer(path);
  for (const auto& [name, content] : members) writer.add(name, content);
  writer.finish();
  return path;
}

inline std::filesystem::path write_gzip(const std::filesystem::path& path, std::string_view content) {
  gzFile file = gzopen(path.c_str(), "wb1");
  gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
  gzclose(file);
  return path;
}

inline std::string as_string(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace cloob::testing
