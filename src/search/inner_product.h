// The kernel: inner products of fp32 queries with fp16 or fp32 rows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cloob/search/feature_rows.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define CLOOB_HAS_F16C_KERNELS 1
#else
#define CLOOB_HAS_F16C_KERNELS 0
#endif

namespace cloob {

/// Queries that share what is loaded of the rows.
inline constexpr int kMaxBlockQueries = 4;
/// Rows of several queries at a time, which hide the latency of additions.
inline constexpr int kBlockRows = 2;

/// Inner products of 1 to kMaxBlockQueries queries with any number of rows, into scores[query * score_stride + row]. Query q begins
/// at queries + q * query_stride and is padded to a multiple of eight numbers.
///
/// Each inner product is eight sums, number i being added to sum i % 8, which are then added in pairs: so that its value does not
/// depend on the block that it is computed in.
using InnerProductKernel = void (*)(const float* queries, std::int64_t query_stride, int num_queries,
                                    const std::byte* rows, std::int64_t num_rows, std::int64_t dims,
                                    float* scores, std::int64_t score_stride);

// For any processor.
InnerProductKernel portable_inner_product_kernel(FeatureType type);
/// The fastest one that this processor has.
InnerProductKernel inner_product_kernel(FeatureType type);

}  // namespace cloob
