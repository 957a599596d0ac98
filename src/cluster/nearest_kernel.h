// The kernel, for any width of vectors. Each file that includes this one first defines CLOOB_KERNEL_BYTES, the width, and
// CLOOB_KERNEL_TARGET, the attribute that lets functions use the instructions of a kind of processor.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "cluster/nearest_kernels.h"

namespace cloob {
namespace {

template <class Number>
struct VectorOf;
// Vectors in memory need no alignment but that of their numbers.
template <>
struct VectorOf<float> {
  typedef float InMemory __attribute__((vector_size(CLOOB_KERNEL_BYTES), aligned(4), may_alias));
};
template <>
struct VectorOf<double> {
  typedef double InMemory __attribute__((vector_size(CLOOB_KERNEL_BYTES), aligned(8), may_alias));
};
template <>
struct VectorOf<std::int32_t> {
  typedef std::int32_t InMemory __attribute__((vector_size(CLOOB_KERNEL_BYTES), aligned(4), may_alias));
};
template <>
struct VectorOf<std::int64_t> {
  typedef std::int64_t InMemory __attribute__((vector_size(CLOOB_KERNEL_BYTES), aligned(8), may_alias));
};

template <class Number>
CLOOB_KERNEL_TARGET inline typename VectorOf<Number>::InMemory& vector_at(Number* numbers) {
  return *reinterpret_cast<typename VectorOf<Number>::InMemory*>(numbers);
}
template <class Number>
CLOOB_KERNEL_TARGET inline const typename VectorOf<Number>::InMemory& vector_at(const Number* numbers) {
  return *reinterpret_cast<const typename VectorOf<Number>::InMemory*>(numbers);
}

template <class Scalar>
inline constexpr int kLanes = CLOOB_KERNEL_BYTES / sizeof(Scalar);

// `kRows` rows meet the centroids of a panel; lane l of a row's best meets the centroids whose number is l modulo the number
// of lanes. Each score is one sum in the order of the dimensions, in whatever block it is computed.
template <class Scalar, class Index, int kRows, int kVectors>
CLOOB_KERNEL_TARGET inline void meet_panel(const Scalar* rows, std::int64_t dims, const Scalar* panel,
                                           Index first_vector, Scalar* best_scores, Index* best_vectors) {
  constexpr int kLanesOfVector = kLanes<Scalar>;
  using Scores = typename VectorOf<Scalar>::InMemory;
  Scores sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sums[r][v] = vector_at(panel + v * kLanesOfVector);
  }
  for (std::int64_t d = 0; d < dims; ++d) {
    panel += kVectors * kLanesOfVector;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Scalar number = rows[r * dims + d];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sums[r][v] += number * vector_at(panel + v * kLanesOfVector);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    Scores best = vector_at(best_scores + r * kLanesOfVector);
    auto vectors = vector_at(best_vectors + r * kLanesOfVector);
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const auto is_better = sums[r][v] > best;
      best = is_better ? sums[r][v] : best;
      vectors = is_better ? decltype(vectors){} + (first_vector + v) : vectors;
    }
    vector_at(best_scores + r * kLanesOfVector) = best;
    vector_at(best_vectors + r * kLanesOfVector) = vectors;
  }
}

template <class Scalar, class Index, int kRows, int kVectors>
CLOOB_KERNEL_TARGET void nearest_rows(const Scalar* rows, std::int64_t num_rows, std::int64_t dims,
                                      const Scalar* panels, std::int64_t num_panels, Scalar* scores,
                                      std::int64_t* labels) {
  constexpr int kLanesOfVector = kLanes<Scalar>;
  const auto num_lanes = static_cast<std::size_t>(num_rows * kLanesOfVector);
  std::vector<Scalar> best_scores(num_lanes, -std::numeric_limits<Scalar>::infinity());
  std::vector<Index> best_vectors(num_lanes, 0);
  for (std::int64_t p = 0; p < num_panels; ++p) {
    const Scalar* const panel = panels + p * (dims + 1) * kVectors * kLanesOfVector;
    const auto first_vector = static_cast<Index>(p * kVectors);
    const std::int64_t whole = num_rows - num_rows % kRows;
    for (std::int64_t r = 0; r < whole; r += kRows)
      meet_panel<Scalar, Index, kRows, kVectors>(rows + r * dims, dims, panel, first_vector,
                                                 best_scores.data() + r * kLanesOfVector,
                                                 best_vectors.data() + r * kLanesOfVector);
    for (std::int64_t r = whole; r < num_rows; ++r)
      meet_panel<Scalar, Index, 1, kVectors>(rows + r * dims, dims, panel, first_vector,
                                             best_scores.data() + r * kLanesOfVector,
                                             best_vectors.data() + r * kLanesOfVector);
  }
  for (std::int64_t r = 0; r < num_rows; ++r) {
    scores[r] = -std::numeric_limits<Scalar>::infinity();
    labels[r] = std::numeric_limits<std::int64_t>::max();
    for (int lane = 0; lane < kLanesOfVector; ++lane) {
      const auto i = static_cast<std::size_t>(r * kLanesOfVector + lane);
      const std::int64_t label = std::int64_t{best_vectors[i]} * kLanesOfVector + lane;
      if (best_scores[i] > scores[r] || (best_scores[i] == scores[r] && label < labels[r])) {
        scores[r] = best_scores[i];
        labels[r] = label;
      }
    }
  }
}

template <class Scalar, class Index, int kRows, int kVectors>
NearestKernel<Scalar> make_kernel() {
  return {kVectors * kLanes<Scalar>, nearest_rows<Scalar, Index, kRows, kVectors>};
}

}  // namespace
}  // namespace cloob
