#include "search/inner_product.h"

#include <c10/util/Half.h>

#include <algorithm>
#include <array>
#include <cstring>

#if CLOOB_HAS_F16C_KERNELS
#include <immintrin.h>
#endif

namespace cloob {
namespace {

constexpr std::int64_t kLanes = 8;

float sum_of_lanes(const std::array<float, kLanes>& lanes) {
  std::array<float, 4> half{};
  for (std::size_t i = 0; i < 4; ++i) half[i] = lanes[i] + lanes[i + 4];
  return (half[0] + half[2]) + (half[1] + half[3]);
}

float as_float(std::uint16_t number) { return c10::detail::fp16_ieee_to_fp32_value(number); }
float as_float(float number) { return number; }

template <class Number>
void inner_products_portable(const float* queries, std::int64_t query_stride, int num_queries,
                             const std::byte* rows, std::int64_t num_rows, std::int64_t dims, float* scores,
                             std::int64_t score_stride) {
  for (int q = 0; q < num_queries; ++q) {
    for (std::int64_t r = 0; r < num_rows; ++r) {
      const auto* const row = reinterpret_cast<const Number*>(rows) + r * dims;
      std::array<float, kLanes> lanes{};
      for (std::int64_t i = 0; i < dims; ++i)
        lanes[static_cast<std::size_t>(i % kLanes)] += queries[q * query_stride + i] * as_float(row[i]);
      scores[q * score_stride + r] = sum_of_lanes(lanes);
    }
  }
}

#if CLOOB_HAS_F16C_KERNELS
[[gnu::target("avx2,fma,f16c")]] inline __m256 load_row(const std::uint16_t* numbers) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(numbers)));
}
[[gnu::target("avx2,fma,f16c")]] inline __m256 load_row(const float* numbers) {
  return _mm256_loadu_ps(numbers);
}

// Reads nothing after the end of the row, which may be the end of the mapped file.
template <class Number>
[[gnu::target("avx2,fma,f16c")]] inline __m256 load_tail(const Number* numbers, std::int64_t count) {
  std::array<Number, kLanes> padded{};
  std::memcpy(padded.data(), numbers, static_cast<std::size_t>(count) * sizeof(Number));
  return load_row(padded.data());
}

[[gnu::target("avx2,fma,f16c")]] inline float sum_of_lanes(__m256 lanes) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  const __m128 pairs = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps(pairs, pairs, 1)));
}

template <int kQueries, int kRows, class Number>
[[gnu::target("avx2,fma,f16c")]] inline void block(const float* queries, std::int64_t query_stride,
                                                   const Number* rows, std::int64_t dims, float* scores,
                                                   std::int64_t score_stride) {
  __m256 sums[kQueries][kRows];
  for (int q = 0; q < kQueries; ++q) {
    for (int r = 0; r < kRows; ++r) sums[q][r] = _mm256_setzero_ps();
  }
  const std::int64_t whole = dims - dims % kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes) {
    __m256 row[kRows];
    for (int r = 0; r < kRows; ++r) row[r] = load_row(rows + r * dims + i);
    for (int q = 0; q < kQueries; ++q) {
      const __m256 query = _mm256_loadu_ps(queries + q * query_stride + i);
      for (int r = 0; r < kRows; ++r) sums[q][r] = _mm256_fmadd_ps(query, row[r], sums[q][r]);
    }
  }
  if (whole < dims) {
    for (int r = 0; r < kRows; ++r) {
      const __m256 row = load_tail(rows + r * dims + whole, dims - whole);
      for (int q = 0; q < kQueries; ++q)
        sums[q][r] = _mm256_fmadd_ps(_mm256_loadu_ps(queries + q * query_stride + whole), row, sums[q][r]);
    }
  }
  for (int q = 0; q < kQueries; ++q) {
    for (int r = 0; r < kRows; ++r) scores[q * score_stride + r] = sum_of_lanes(sums[q][r]);
  }
}

template <int kQueries, int kRows, class Number>
[[gnu::target("avx2,fma,f16c")]] void all_rows(const float* queries, std::int64_t query_stride,
                                               const Number* rows, std::int64_t num_rows, std::int64_t dims,
                                               float* scores, std::int64_t score_stride) {
  std::int64_t r = 0;
  for (; r + kRows <= num_rows; r += kRows)
    block<kQueries, kRows>(queries, query_stride, rows + r * dims, dims, scores + r, score_stride);
  for (; r < num_rows; ++r)
    block<kQueries, 1>(queries, query_stride, rows + r * dims, dims, scores + r, score_stride);
}

template <class Number>
void inner_products_f16c(const float* queries, std::int64_t query_stride, int num_queries,
                         const std::byte* bytes, std::int64_t num_rows, std::int64_t dims, float* scores,
                         std::int64_t score_stride) {
  constexpr int kRowsOfOneQuery = 8;
  const auto* const rows = reinterpret_cast<const Number*>(bytes);
  switch (num_queries) {
    case 1:
      return all_rows<1, kRowsOfOneQuery>(queries, query_stride, rows, num_rows, dims, scores, score_stride);
    case 2:
      return all_rows<2, kBlockRows>(queries, query_stride, rows, num_rows, dims, scores, score_stride);
    case 3:
      return all_rows<3, kBlockRows>(queries, query_stride, rows, num_rows, dims, scores, score_stride);
    default:
      return all_rows<4, kBlockRows>(queries, query_stride, rows, num_rows, dims, scores, score_stride);
  }
}
#endif

}  // namespace

InnerProductKernel portable_inner_product_kernel(FeatureType type) {
  return type == FeatureType::fp16 ? inner_products_portable<std::uint16_t> : inner_products_portable<float>;
}

InnerProductKernel inner_product_kernel(FeatureType type) {
#if CLOOB_HAS_F16C_KERNELS
  static const bool has_f16c = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                               __builtin_cpu_supports("f16c") != 0;
  if (has_f16c)
    return type == FeatureType::fp16 ? inner_products_f16c<std::uint16_t> : inner_products_f16c<float>;
#endif
  return portable_inner_product_kernel(type);
}

}  // namespace cloob
