// Features that other programs have computed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <variant>

#include "cloob/base/npy.h"
#include "cloob/checkpoint/safetensors_matrix.h"

namespace cloob {

/// A matrix in a .npy or a safetensors file, mapped. Reading is thread-safe.
class FeatureFile {
 public:
  /// `tensor` is for safetensors; empty: `features`, or the only one. Throws UserError.
  FeatureFile(const std::filesystem::path& path, const std::string& tensor);

  std::int64_t rows() const;
  std::int64_t columns() const;
  /// Reads one row as fp32 numbers. Throws UserError if one of them is not finite.
  void read_row(std::int64_t row, std::span<float> into) const;

 private:
  std::string path_;
  std::variant<NpyMatrix, SafetensorsMatrix> matrix_;
};

}  // namespace cloob
