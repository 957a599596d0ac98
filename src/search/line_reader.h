#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/files.h"

namespace cloob {

/// Reads the lines of a file one after another, of which it holds a small part.
class LineReader {
 public:
  explicit LineReader(std::filesystem::path path);
  /// The next line without its line break; nullopt at the end. Throws UserError for a line of more than 4 MiB.
  std::optional<std::string> next();

 private:
  bool fill();

  RandomAccessFile file_;
  std::uint64_t position_ = 0;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace cloob
