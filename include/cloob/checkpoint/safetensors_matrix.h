// A matrix in a safetensors file that may be larger than memory.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "cloob/base/mapped_file.h"

namespace cloob {

/// Name of the tensor in a file that holds one set of features.
inline constexpr const char* kFeaturesTensor = "features";

/// Maps the file. Reading is thread-safe.
class SafetensorsMatrix {
 public:
  /// The tensor `name`; without a name `features`, or the only tensor. Validates the file as `read_safetensors` does, and
  /// that the tensor is a matrix of floating-point numbers with at least one row and one column. Throws UserError.
  explicit SafetensorsMatrix(const std::filesystem::path& path, const std::string& name = "");

  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  c10::ScalarType type() const { return type_; }
  /// `count` rows as fp32 numbers.
  void read(std::int64_t first, std::int64_t count, std::span<float> into) const;

 private:
  MappedFile file_;
  std::map<std::string, std::string> metadata_;
  c10::ScalarType type_ = c10::ScalarType::Float;
  std::size_t data_offset_ = 0;
  std::int64_t rows_ = 0, columns_ = 0;
};

/// Makes `count` rows of a matrix, from row `first` on.
using RowBlock = std::function<void(std::int64_t first, std::int64_t count, std::span<float> into)>;

/// Writes a file with the tensor `features` (rows, columns) of fp32 numbers, of which at most a few MiB are in memory at a
/// time, in the order of the rows. Files, pipes and links are handled as by `write_file_atomically`. Throws UserError.
void write_safetensors_matrix(const std::filesystem::path& path, std::int64_t rows, std::int64_t columns,
                              const std::map<std::string, std::string>& metadata, const RowBlock& block);

}  // namespace cloob
