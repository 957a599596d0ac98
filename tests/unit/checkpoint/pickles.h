// Handmade pickles, and torch.save files that contain them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "checkpoint/digest.h"
#include "files.h"

namespace cloob::testing {

template <class... Parts>
std::string joined(const Parts&... parts) {
  std::string result;
  (result.append(std::string_view(parts)), ...);
  return result;
}

/// A number in `num_bytes` bytes, lowest byte first.
inline std::string little_endian(std::uint64_t number, int num_bytes) {
  std::string bytes;
  for (int i = 0; i < num_bytes; ++i) bytes += static_cast<char>(i < 8 ? number >> (8 * i) & 0xff : 0);
  return bytes;
}

inline std::string repeated(std::string_view code, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += code;
  return result;
}

inline std::string text(std::string_view value) { return joined("X", little_endian(value.size(), 4), value); }

/// The storage `key` with `count` floats.
inline std::string storage(std::string_view key, char count) {
  return joined("(", text("storage"), "ctorch\nFloatStorage\n", text(key), text("cpu"), "K",
                std::string_view(&count, 1), "tQ");
}

/// A tensor of 10 floats in the storage 'w': offset, sizes and strides are pickled integers.
inline std::string tensor(std::string_view offset, std::string_view sizes, std::string_view strides) {
  return joined("ctorch._utils\n_rebuild_tensor_v2\n(", storage("w", 10), offset, "(", sizes, "t(", strides,
                "t\x89}tR");
}

/// Writes a file like torch.save's with this pickle and a storage 'w' of 40 bytes.
inline void write_torch_file(const std::filesystem::path& path, const std::string& pickle) {
  const std::map<std::string, std::string> entries = {{"archive/data.pkl", pickle},
                                                      {"archive/data/w", std::string(40, '\0')}};
  std::string archive, directory;
  for (const auto& [name, content] : entries) {
    FileDigest digest;
    digest.update(std::as_bytes(std::span(content.data(), content.size())));
    const std::string header = joined(little_endian(20, 6), little_endian(0x210000, 4),
                                      little_endian(digest.crc32, 4), little_endian(content.size(), 4),
                                      little_endian(content.size(), 4), little_endian(name.size(), 4));
    directory += joined("PK\1\2", little_endian(20, 2), header, little_endian(0, 10),
                        little_endian(archive.size(), 4), name);
    archive += joined("PK\3\4", header, name, content);
  }
  write_quickly(path,
                joined(archive, directory, "PK\5\6", little_endian(0, 4), little_endian(entries.size(), 2),
                       little_endian(entries.size(), 2), little_endian(directory.size(), 4),
                       little_endian(archive.size(), 4), little_endian(0, 2)));
}

}  // namespace cloob::testing
