#include "search/row_reader.h"

#include <ATen/core/Tensor.h>

#include <vector>

namespace cloob {

RowReader::RowReader(const std::filesystem::path& file, std::int64_t count, std::int64_t dims,
                     FeatureType type)
    : file_(file), count_(count), dims_(dims), type_(type) {}

void RowReader::read_into(std::int64_t first, std::span<std::byte> bytes) const {
  file_.read(static_cast<std::uint64_t>(first * dims_ * size_of(type_)), bytes);
}

at::Tensor RowReader::read(std::int64_t first, std::int64_t rows) const {
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows * dims_ * size_of(type_)));
  read_into(first, bytes);
  return to_float({bytes.data(), rows, dims_, type_});
}

at::Tensor RowReader::sample(std::int64_t size) const {
  const auto row_bytes = static_cast<std::size_t>(dims_ * size_of(type_));
  std::vector<std::byte> bytes(static_cast<std::size_t>(size) * row_bytes);
  for (std::int64_t i = 0; i < size; ++i)
    read_into(i * count_ / size,
              std::span(bytes).subspan(static_cast<std::size_t>(i) * row_bytes, row_bytes));
  return to_float({bytes.data(), size, dims_, type_});
}

}  // namespace cloob
