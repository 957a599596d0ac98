#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/parallel.h"
#include "cloob/base/tiles.h"
#include "cloob/cluster/kmeans.h"
#include "cluster/cluster_sums.h"

namespace cloob {
namespace {

constexpr std::int64_t kClustersAtOnce = 64;
constexpr std::int64_t kRowsAtOnce = 65536;

std::span<const std::int64_t> numbers_of(const at::Tensor& labels_N) {
  return {labels_N.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(labels_N.numel())};
}

// The rows of all clusters, one cluster after the other, and where each begins.
struct RowsByCluster {
  std::vector<std::int64_t> rows, first;
};

RowsByCluster sort_rows(std::span<const std::int64_t> labels, const std::vector<std::int64_t>& sizes) {
  RowsByCluster sorted;
  sorted.first.push_back(0);
  for (const std::int64_t size : sizes) sorted.first.push_back(sorted.first.back() + size);
  sorted.rows.resize(static_cast<std::size_t>(sorted.first.back()));
  std::vector<std::int64_t> next = sorted.first;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (labels[row] < 0) continue;
    std::int64_t& place = next[static_cast<std::size_t>(labels[row])];
    sorted.rows[static_cast<std::size_t>(place++)] = static_cast<std::int64_t>(row);
  }
  return sorted;
}

template <class Scalar>
void add_rows(const Scalar* rows, std::int64_t dims, std::span<const std::int64_t> chosen, double* sums) {
  for (const std::int64_t row : chosen) {
    for (std::int64_t d = 0; d < dims; ++d) sums[d] += static_cast<double>(rows[row * dims + d]);
  }
}

}  // namespace

std::vector<std::int64_t> cluster_sizes(const at::Tensor& labels_N, std::int64_t clusters) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(clusters), 0);
  const at::Tensor on_host_N = labels_N.cpu().contiguous();
  for (const std::int64_t label : numbers_of(on_host_N)) {
    CLOOB_CHECK(label >= -1 && label < clusters, "label {} of {} clusters", label, clusters);
    if (label >= 0) ++sizes[static_cast<std::size_t>(label)];
  }
  return sizes;
}

at::Tensor sums_in_order(const at::Tensor& rows_ND, const at::Tensor& labels_N, std::int64_t clusters) {
  const std::int64_t dims = rows_ND.size(1);
  const at::Tensor whole_ND = rows_ND.contiguous(), on_host_N = labels_N.contiguous();
  const RowsByCluster sorted = sort_rows(numbers_of(on_host_N), cluster_sizes(on_host_N, clusters));
  const at::Tensor sums_KD = at::zeros({clusters, dims}, at::kDouble);
  const auto add_cluster = [&](std::int64_t cluster) {
    const auto first = static_cast<std::size_t>(sorted.first[static_cast<std::size_t>(cluster)]);
    const auto end = static_cast<std::size_t>(sorted.first[static_cast<std::size_t>(cluster) + 1]);
    const std::span chosen(sorted.rows.data() + first, end - first);
    double* const sums = sums_KD.data_ptr<double>() + cluster * dims;
    if (whole_ND.scalar_type() == at::kDouble) {
      add_rows(whole_ND.const_data_ptr<double>(), dims, chosen, sums);
    } else {
      add_rows(whole_ND.const_data_ptr<float>(), dims, chosen, sums);
    }
  };
  const std::int64_t num_pieces = (clusters + kClustersAtOnce - 1) / kClustersAtOnce;
  parallel_for(num_pieces, at::get_num_threads(), [&](std::int64_t piece) {
    const std::int64_t end = std::min(clusters, (piece + 1) * kClustersAtOnce);
    for (std::int64_t cluster = piece * kClustersAtOnce; cluster < end; ++cluster) add_cluster(cluster);
  });
  return sums_KD;
}

at::Tensor sums_by_counting(const at::Tensor& rows_ND, const at::Tensor& labels_N, std::int64_t clusters) {
  const auto options = rows_ND.options().dtype(at::kLong);
  // One more cluster, for the rows that belong to none.
  const at::Tensor quanta_KD = at::zeros({clusters + 1, rows_ND.size(1)}, options);
  double bound = 0;
  for_each_piece(rows_ND.size(0), kRowsAtOnce, [&](std::int64_t first, std::int64_t count) {
    bound += static_cast<double>(count) * rows_ND.narrow(0, first, count).abs().max().item<double>();
  });
  // No sum has more than 2^61 quanta, and half a quantum a row by rounding.
  const double quanta_per_unit = bound > 0 ? std::ldexp(1.0, 60 - std::ilogb(bound)) : 1;
  const at::Tensor places_N = labels_N.remainder(clusters + 1);
  for_each_piece(rows_ND.size(0), kRowsAtOnce, [&](std::int64_t first, std::int64_t count) {
    const at::Tensor rows_BD = rows_ND.narrow(0, first, count).to(at::kDouble).mul(quanta_per_unit);
    quanta_KD.index_add_(0, places_N.narrow(0, first, count), rows_BD.round().to(at::kLong));
  });
  return quanta_KD.narrow(0, 0, clusters).to(at::kDouble) / quanta_per_unit;
}

at::Tensor cluster_means(const at::Tensor& features_ND, const at::Tensor& labels_N, std::int64_t clusters) {
  CLOOB_CHECK(features_ND.dim() == 2 && labels_N.sizes() == features_ND.sizes().slice(0, 1) &&
                  labels_N.scalar_type() == at::kLong,
              "labels that are not one integer for each row");
  const at::Tensor rows_ND = at_least_fp32(features_ND.detach());
  at::Tensor size_K1 = at::tensor(cluster_sizes(labels_N, clusters), at::kDouble).unsqueeze(1);
  size_K1 = size_K1.clamp_min(1).to(rows_ND.device());
  const at::Tensor sums_KD = rows_ND.is_cpu() ? sums_in_order(rows_ND, labels_N, clusters)
                                              : sums_by_counting(rows_ND, labels_N, clusters);
  return (sums_KD / size_K1).to(rows_ND.scalar_type());
}

}  // namespace cloob
