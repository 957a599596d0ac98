#include "cloob/search/feature_rows.h"

#include <ATen/ops/empty.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <cstring>

#include "cloob/base/error.h"
#include "cloob/base/parallel.h"
#include "cloob/base/tiles.h"
#include "search/inner_product.h"

namespace cloob {
namespace {

at::ScalarType scalar_type(FeatureType type) { return type == FeatureType::fp16 ? at::kHalf : at::kFloat; }

constexpr std::int64_t kLanes = 8;
// A tile of rows stays in the second cache while all queries of a block meet it.
constexpr std::int64_t kTileRows = 64;
constexpr std::int64_t kBlockOfQueries = 64;

std::int64_t padded(std::int64_t dims) { return (dims + kLanes - 1) / kLanes * kLanes; }

// The best of the rows from `first` on for `num_queries` queries.
std::vector<BestNeighbors> search_part(const PaddedQueries& queries, std::int64_t first_query,
                                       std::int64_t num_queries, const FeatureRows& rows,
                                       std::int64_t first_row, std::int64_t num_rows, std::int64_t k,
                                       const RemovedRows& removed) {
  std::vector<BestNeighbors> best(static_cast<std::size_t>(num_queries),
                                  BestNeighbors(std::min(k, num_rows)));
  std::vector<float> scores(static_cast<std::size_t>(num_queries * kTileRows));
  for_each_piece(num_rows, kTileRows, [&](std::int64_t begin, std::int64_t count) {
    inner_products(queries, first_query, num_queries, rows.part(first_row + begin, count), scores);
    for (std::int64_t q = 0; q < num_queries; ++q) {
      for (std::int64_t r = 0; r < count; ++r) {
        if (removed.contains(first_row + begin + r)) continue;
        best[static_cast<std::size_t>(q)].add(
            {first_row + begin + r, scores[static_cast<std::size_t>(q * count + r)]});
      }
    }
  });
  return best;
}

}  // namespace

void BestNeighbors::add(const Neighbor& neighbor) {
  if (neighbor.score != neighbor.score) return;
  if (heap_.size() < k_) {
    heap_.push_back(neighbor);
    std::ranges::push_heap(heap_, is_better);
  } else if (k_ > 0 && is_better(neighbor, heap_.front())) {
    std::ranges::pop_heap(heap_, is_better);
    heap_.back() = neighbor;
    std::ranges::push_heap(heap_, is_better);
  }
}

std::vector<Neighbor> BestNeighbors::take_sorted() {
  std::ranges::sort(heap_, is_better);
  return std::exchange(heap_, {});
}

PaddedQueries::PaddedQueries(std::int64_t count, std::int64_t dims)
    : count_(count),
      dims_(dims),
      stride_(padded(dims)),
      numbers_(static_cast<std::size_t>(count * stride_), 0.0f) {}

PaddedQueries::PaddedQueries(const at::Tensor& queries_QD)
    : PaddedQueries(queries_QD.size(0), queries_QD.size(1)) {
  const at::Tensor rows_QD = queries_QD.to(at::kCPU, at::kFloat).contiguous();
  for (std::int64_t q = 0; q < count_; ++q)
    std::copy_n(rows_QD.const_data_ptr<float>() + q * dims_, dims_, numbers_.data() + q * stride_);
}

PaddedQueries::PaddedQueries(const FeatureRows& rows) : PaddedQueries(rows.count, rows.dims) {
  for (std::int64_t q = 0; q < count_; ++q) {
    float* const to = numbers_.data() + q * stride_;
    if (rows.type == FeatureType::fp16) {
      const auto* const numbers = reinterpret_cast<const std::uint16_t*>(rows.row(q));
      std::transform(numbers, numbers + dims_, to, c10::detail::fp16_ieee_to_fp32_value);
    } else {
      std::memcpy(to, rows.row(q), static_cast<std::size_t>(rows.row_bytes()));
    }
  }
}

float inner_product(const float* query, const FeatureRows& rows, std::int64_t row) {
  float score = 0;
  inner_product_kernel(rows.type)(query, 0, 1, rows.row(row), 1, rows.dims, &score, 0);
  return score;
}

void inner_products(const PaddedQueries& queries, std::int64_t first, std::int64_t count,
                    const FeatureRows& rows, std::span<float> scores) {
  const InnerProductKernel kernel = inner_product_kernel(rows.type);
  const std::int64_t stride = padded(rows.dims);
  for (std::int64_t q = 0; q < count; q += kMaxBlockQueries) {
    const std::int64_t num_queries = std::min<std::int64_t>(kMaxBlockQueries, count - q);
    kernel(queries.query(first + q), stride, static_cast<int>(num_queries), rows.data, rows.count, rows.dims,
           scores.data() + q * rows.count, rows.count);
  }
}

std::vector<std::vector<Neighbor>> exact_search(const PaddedQueries& queries, const FeatureRows& rows,
                                                std::int64_t k, std::int64_t threads,
                                                const RemovedRows& removed) {
  CLOOB_CHECK(queries.dims() == rows.dims, "queries of {} numbers, rows of {}", queries.dims(), rows.dims);
  constexpr std::int64_t kPartsPerThread = 4, kMinPart = 1024;
  const std::int64_t num_threads = resolve_threads(threads);
  const std::int64_t part = std::max(kMinPart, rows.count / (num_threads * kPartsPerThread) + 1);
  const std::int64_t num_parts = (rows.count + part - 1) / part;
  std::vector<std::vector<Neighbor>> results(static_cast<std::size_t>(queries.count()));
  for_each_piece(queries.count(), kBlockOfQueries, [&](std::int64_t first, std::int64_t count) {
    std::vector<std::vector<BestNeighbors>> parts(static_cast<std::size_t>(num_parts));
    parallel_for(num_parts, num_threads, [&](std::int64_t number) {
      const std::int64_t begin = number * part;
      parts[static_cast<std::size_t>(number)] =
          search_part(queries, first, count, rows, begin, std::min(part, rows.count - begin), k, removed);
    });
    for (std::int64_t q = 0; q < count; ++q) {
      BestNeighbors best(std::min(k, rows.count));
      for (std::vector<BestNeighbors>& of_part : parts) {
        for (const Neighbor& neighbor : of_part[static_cast<std::size_t>(q)].take_sorted())
          best.add(neighbor);
      }
      results[static_cast<std::size_t>(first + q)] = best.take_sorted();
    }
  });
  return results;
}

std::vector<std::byte> to_bytes(const at::Tensor& rows_ND, FeatureType type) {
  const at::Tensor numbers_ND = rows_ND.to(at::kCPU, scalar_type(type)).contiguous();
  std::vector<std::byte> bytes(numbers_ND.nbytes());
  if (!bytes.empty()) std::memcpy(bytes.data(), numbers_ND.const_data_ptr(), bytes.size());
  return bytes;
}

at::Tensor to_float(const FeatureRows& rows) {
  const at::Tensor numbers_ND = at::empty({rows.count, rows.dims}, scalar_type(rows.type));
  if (numbers_ND.nbytes() > 0) std::memcpy(numbers_ND.mutable_data_ptr(), rows.data, numbers_ND.nbytes());
  return numbers_ND.to(at::kFloat);
}

}  // namespace cloob
