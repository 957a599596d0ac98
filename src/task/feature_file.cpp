#include "task/feature_file.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/first_bytes.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

bool is_npy(const std::filesystem::path& path) {
  return path.extension() == ".npy" || first_bytes_of(path, 6) == "\x93NUMPY";
}

std::variant<NpyMatrix, SafetensorsMatrix> open_matrix(const std::filesystem::path& path,
                                                       const std::string& tensor) {
  if (!is_npy(path)) return SafetensorsMatrix(path, tensor);
  if (!tensor.empty())
    throw_user_error("'{}' is a .npy file, whose matrix has no name: leave out '{}'", path.string(), tensor);
  return NpyMatrix(path);
}

// Whether any number has the exponent of infinity and NaN: a loop that is compiled to vector instructions.
bool all_finite(std::span<const float> numbers) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  std::uint32_t largest = 0;
  for (const float number : numbers)
    largest = std::max(largest, std::bit_cast<std::uint32_t>(number) & kExponent);
  return largest != kExponent;
}

}  // namespace

FeatureFile::FeatureFile(const std::filesystem::path& path, const std::string& tensor)
    : path_(path.string()), matrix_(open_matrix(path, tensor)) {}

std::int64_t FeatureFile::rows() const {
  return std::visit([](const auto& matrix) { return matrix.rows(); }, matrix_);
}

std::int64_t FeatureFile::columns() const {
  return std::visit([](const auto& matrix) { return matrix.columns(); }, matrix_);
}

void FeatureFile::read_row(std::int64_t row, std::span<float> into) const {
  std::visit([&](const auto& matrix) { matrix.read(row, 1, into); }, matrix_);
  if (all_finite(into)) return;
  const auto bad = std::ranges::find_if_not(into, [](float number) { return std::isfinite(number); });
  throw_user_error(
      "'{}': number {} of row {} is {}, and must be finite (in float32): rows and numbers count from 0",
      path_, bad - into.begin(), with_thousands(row), static_cast<double>(*bad));
}

}  // namespace cloob
