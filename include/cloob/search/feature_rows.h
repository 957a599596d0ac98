// Exact search among rows of fp16 or fp32 numbers, as they lie in a mapped file.
//
// Shapes: N rows, Q queries, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/config/field.h"
#include "cloob/search/removed_rows.h"

namespace cloob {

/// How numbers of features are stored.
enum class FeatureType { fp16, fp32 };
template <>
struct EnumNames<FeatureType> {
  static constexpr std::array<std::pair<std::string_view, FeatureType>, 2> names = {
      {{"fp16", FeatureType::fp16}, {"fp32", FeatureType::fp32}}};
};

/// Bytes of a number.
inline constexpr std::int64_t size_of(FeatureType type) {
  return type == FeatureType::fp16 ? sizeof(std::uint16_t) : sizeof(float);
}

/// N rows of D numbers, one after another, in memory of someone else.
struct FeatureRows {
  const std::byte* data = nullptr;
  std::int64_t count = 0;
  std::int64_t dims = 0;
  FeatureType type = FeatureType::fp16;

  std::int64_t row_bytes() const { return dims * size_of(type); }
  const std::byte* row(std::int64_t index) const { return data + index * row_bytes(); }
  FeatureRows part(std::int64_t first, std::int64_t rows) const { return {row(first), rows, dims, type}; }
};

/// A row and its inner product with a query.
struct Neighbor {
  std::int64_t row = 0;
  float score = 0;
  bool operator==(const Neighbor&) const = default;
};

/// The order of results: by score, and of equal scores the first row first, so that there is one right answer.
inline bool is_better(const Neighbor& a, const Neighbor& b) {
  return a.score > b.score || (a.score == b.score && a.row < b.row);
}

/// Keeps the k best of the neighbors that it is shown. A score that is not a number is left out.
class BestNeighbors {
 public:
  explicit BestNeighbors(std::int64_t k) : k_(static_cast<std::size_t>(k)) {}

  void add(const Neighbor& neighbor);
  /// The best first; empties this.
  std::vector<Neighbor> take_sorted();

 private:
  std::size_t k_;
  std::vector<Neighbor> heap_;  // the worst first
};

/// Queries as the kernel reads them: fp32, each padded with zeros to a multiple of eight numbers.
class PaddedQueries {
 public:
  /// (Q, D), any floating type, on the CPU.
  explicit PaddedQueries(const at::Tensor& queries_QD);
  /// The rows themselves as queries.
  explicit PaddedQueries(const FeatureRows& rows);

  std::int64_t count() const { return count_; }
  std::int64_t dims() const { return dims_; }
  const float* query(std::int64_t index) const { return numbers_.data() + index * stride_; }

 private:
  PaddedQueries(std::int64_t count, std::int64_t dims);

  std::int64_t count_, dims_, stride_;
  std::vector<float> numbers_;
};

/// The inner product of a padded query and a row, in fp32. A pure function of the two: the same, to the bit, in any
/// function of this header, whatever else is computed with it.
float inner_product(const float* query, const FeatureRows& rows, std::int64_t row);

/// Inner products of `count` queries, from `first` on, with all rows: row-major, a row of `scores` for each query.
void inner_products(const PaddedQueries& queries, std::int64_t first, std::int64_t count,
                    const FeatureRows& rows, std::span<float> scores);

/// The k best rows for each query, all if there are fewer; the best first. Those of `removed` are left out. The matrix of all
/// inner products is never held: memory is proportional to Q k. The result does not depend on `threads` (0: all processors).
std::vector<std::vector<Neighbor>> exact_search(const PaddedQueries& queries, const FeatureRows& rows,
                                                std::int64_t k, std::int64_t threads = 0,
                                                const RemovedRows& removed = {});

/// The numbers of rows as they are stored; rounded to fp16 to nearest even.
std::vector<std::byte> to_bytes(const at::Tensor& rows_ND, FeatureType type);
/// The inverse: (N, D) fp32.
at::Tensor to_float(const FeatureRows& rows);

}  // namespace cloob
