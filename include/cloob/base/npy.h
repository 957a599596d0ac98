// Matrices in NumPy's .npy files.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "cloob/base/files.h"
#include "cloob/base/mapped_file.h"

namespace cloob {

/// A matrix in a .npy file of format version 1, 2 or 3: fp16, fp32 or fp64, little endian, in C order.
class NpyMatrix {
 public:
  /// Reads the header and maps the file, whose size has to be that of the matrix. Throws UserError, also for every other kind
  /// of content.
  explicit NpyMatrix(const std::filesystem::path& path);

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  /// `count` rows as fp32 numbers.
  void read(std::int64_t first, std::int64_t count, std::span<float> into) const;

 private:
  MappedFile file_;
  std::size_t data_offset_ = 0;
  std::int64_t rows_ = 0, columns_ = 0;
  c10::ScalarType type_ = c10::ScalarType::Float;
};

/// The header of a matrix of fp16 numbers, as NumPy writes it. The numbers follow it, row by row.
std::string npy_header(std::int64_t rows, std::int64_t columns);

}  // namespace cloob
