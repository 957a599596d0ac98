#include "cluster/nearest.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/parallel.h"
#include "cloob/base/tiles.h"

namespace cloob {
namespace {

template <class Scalar>
NearestKernel<Scalar> best_kernel() {
#if CLOOB_HAS_X86_KERNELS
  const bool has_fma = __builtin_cpu_supports("fma") != 0;
  if (has_fma && __builtin_cpu_supports("avx512f") != 0) return avx512_nearest_kernel<Scalar>();
  if (has_fma && __builtin_cpu_supports("avx2") != 0) return avx2_nearest_kernel<Scalar>();
#endif
  return portable_nearest_kernel<Scalar>();
}

// The last panel is filled up with centroids that are never the best.
template <class Scalar>
at::Tensor pack(const at::Tensor& centroids_KD, const at::Tensor& bias_K, std::int64_t width) {
  const std::int64_t clusters = centroids_KD.size(0), dims = centroids_KD.size(1);
  const std::int64_t num_panels = (clusters + width - 1) / width;
  const at::Tensor panels = at::empty({num_panels, dims + 1, width}, centroids_KD.options());
  const Scalar* const centroids = centroids_KD.const_data_ptr<Scalar>();
  const Scalar* const bias = bias_K.const_data_ptr<Scalar>();
  parallel_for(num_panels, at::get_num_threads(), [&](std::int64_t p) {
    Scalar* const panel = panels.data_ptr<Scalar>() + p * (dims + 1) * width;
    for (std::int64_t column = 0; column < width; ++column) {
      const std::int64_t k = p * width + column;
      panel[column] = k < clusters ? bias[k] : -std::numeric_limits<Scalar>::infinity();
      for (std::int64_t d = 0; d < dims; ++d)
        panel[(d + 1) * width + column] = k < clusters ? centroids[k * dims + d] : 0;
    }
  });
  return panels;
}

// Rows that stay in the second cache while all panels pass.
std::int64_t rows_at_once(std::int64_t dims) {
  constexpr std::int64_t kNumbers = 65536, kMinRows = 32, kMaxRows = 512;
  return std::clamp(kNumbers / std::max<std::int64_t>(1, dims), kMinRows, kMaxRows);
}

Nearest nearest_in_block(const at::Tensor& rows_BD, const at::Tensor& centroids_KD, const at::Tensor& bias_K,
                         std::int64_t tile) {
  Nearest best;
  for_each_piece(centroids_KD.size(0), tile, [&](std::int64_t first, std::int64_t count) {
    const at::Tensor scores_BT =
        at::addmm(bias_K.narrow(0, first, count), rows_BD, centroids_KD.narrow(0, first, count).t());
    const auto [scores_B, labels_B] = scores_BT.max(1);
    if (!best.scores_N.defined()) {
      best = {scores_B, labels_B};
      return;
    }
    best.labels_N = at::where(scores_B > best.scores_N, labels_B + first, best.labels_N);
    best.scores_N = at::maximum(best.scores_N, scores_B);
  });
  return best;
}

}  // namespace

Nearest nearest_in_tiles(const at::Tensor& rows_ND, const at::Tensor& centroids_KD, const at::Tensor& bias_K,
                         std::int64_t tile) {
  const Nearest all = {at::empty({rows_ND.size(0)}, rows_ND.options()),
                       at::empty({rows_ND.size(0)}, rows_ND.options().dtype(at::kLong))};
  for_each_piece(rows_ND.size(0), kBlockRows, [&](std::int64_t first, std::int64_t count) {
    const Nearest block = nearest_in_block(rows_ND.narrow(0, first, count), centroids_KD, bias_K, tile);
    all.scores_N.narrow(0, first, count).copy_(block.scores_N);
    all.labels_N.narrow(0, first, count).copy_(block.labels_N);
  });
  return all;
}

template <class Scalar>
Nearest nearest_by_kernel(const NearestKernel<Scalar>& kernel, const at::Tensor& rows_ND,
                          const at::Tensor& centroids_KD, const at::Tensor& bias_K) {
  const std::int64_t num_rows = rows_ND.size(0), dims = rows_ND.size(1);
  // The kernel counts vectors of centroids in the type of its scores, or as wide a one.
  CLOOB_CHECK(centroids_KD.size(0) <= std::numeric_limits<std::int32_t>::max(), "{} centroids",
              centroids_KD.size(0));
  const at::Tensor panels = pack<Scalar>(centroids_KD, bias_K, kernel.panel_width);
  const Nearest nearest = {at::empty({num_rows}, rows_ND.options()),
                           at::empty({num_rows}, rows_ND.options().dtype(at::kLong))};
  const std::int64_t piece = rows_at_once(dims);
  parallel_for((num_rows + piece - 1) / piece, at::get_num_threads(), [&](std::int64_t number) {
    const std::int64_t first = number * piece;
    kernel.run(rows_ND.const_data_ptr<Scalar>() + first * dims, std::min(piece, num_rows - first), dims,
               panels.const_data_ptr<Scalar>(), panels.size(0), nearest.scores_N.data_ptr<Scalar>() + first,
               nearest.labels_N.data_ptr<std::int64_t>() + first);
  });
  return nearest;
}
template Nearest nearest_by_kernel(const NearestKernel<float>&, const at::Tensor&, const at::Tensor&,
                                   const at::Tensor&);
template Nearest nearest_by_kernel(const NearestKernel<double>&, const at::Tensor&, const at::Tensor&,
                                   const at::Tensor&);

Nearest nearest_centroids(const at::Tensor& rows_ND, const at::Tensor& centroids_KD,
                          const at::Tensor& bias_K) {
  constexpr std::int64_t kTile = 8192;
  CLOOB_CHECK(rows_ND.is_contiguous() && centroids_KD.is_contiguous() && bias_K.is_contiguous(),
              "rows, centroids or biases have gaps");
  if (!rows_ND.is_cpu()) return nearest_in_tiles(rows_ND, centroids_KD, bias_K, kTile);
  if (rows_ND.scalar_type() == at::kDouble)
    return nearest_by_kernel(best_kernel<double>(), rows_ND, centroids_KD, bias_K);
  return nearest_by_kernel(best_kernel<float>(), rows_ND, centroids_KD, bias_K);
}

}  // namespace cloob
