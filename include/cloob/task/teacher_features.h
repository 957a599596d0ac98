// Features of an external teacher, such as a text model, for every sample of a source.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "cloob/checkpoint/safetensors_matrix.h"
#include "cloob/data/source.h"

namespace cloob {

/// A file of `build_teacher`, mapped: rows are read from disk when they are asked for. Thread-safe.
class TeacherFeatures {
 public:
  /// Throws UserError if the file is no teacher, or was built for other data than `source`.
  static TeacherFeatures open(const std::filesystem::path& path, const Source& source);

  std::int64_t dim() const { return matrix_.columns(); }
  std::int64_t num_samples() const { return matrix_.rows(); }
  /// The rows of these samples: fp32 on the CPU, (number of indices, dim). Throws UserError for a sample without features,
  /// which could not be read when the file was built.
  at::Tensor rows(std::span<const std::int64_t> indices) const;

 private:
  TeacherFeatures(SafetensorsMatrix matrix, std::string path);

  SafetensorsMatrix matrix_;
  std::string path_;
};

}  // namespace cloob
