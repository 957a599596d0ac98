#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "cloob/base/files.h"
#include "cloob/search/feature_rows.h"

namespace cloob {

/// The rows of a file of features, read block by block and not mapped, so that what was read does not stay in the memory of
/// the process.
class RowReader {
 public:
  RowReader(const std::filesystem::path& file, std::int64_t count, std::int64_t dims, FeatureType type);

  std::int64_t count() const { return count_; }
  std::int64_t dims() const { return dims_; }
  /// (rows, D) fp32.
  at::Tensor read(std::int64_t first, std::int64_t rows) const;
  /// That many rows, evenly spaced.
  at::Tensor sample(std::int64_t size) const;

 private:
  void read_into(std::int64_t first, std::span<std::byte> bytes) const;

  RandomAccessFile file_;
  std::int64_t count_, dims_;
  FeatureType type_;
};

}  // namespace cloob
