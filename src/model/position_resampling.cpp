#include "model/position_resampling.h"

#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/upsample_linear1d.h>

#include <cmath>

namespace cloob {

at::Tensor resample_image_positions(const at::Tensor& positions_PD, std::int64_t grid_size) {
  if (positions_PD.dim() != 2 || positions_PD.size(0) == grid_size * grid_size + 1) return positions_PD;
  const std::int64_t num_positions = positions_PD.size(0) - 1;
  const std::int64_t old_size = std::lround(std::sqrt(static_cast<double>(num_positions)));
  if (old_size < 1 || old_size * old_size != num_positions) return positions_PD;
  const at::Tensor fp32_PD = positions_PD.to(at::kFloat);
  const at::Tensor grid_1DHW = fp32_PD.narrow(0, 1, num_positions).t().reshape({1, -1, old_size, old_size});
  const at::Tensor resized_1DHW =
      at::_upsample_bicubic2d_aa(grid_1DHW, {grid_size, grid_size}, /*align_corners=*/false);
  return at::cat({fp32_PD.narrow(0, 0, 1), resized_1DHW.flatten(2).squeeze(0).t()}, 0);
}

at::Tensor resample_text_positions(const at::Tensor& positions_LD, std::int64_t context_length) {
  if (positions_LD.dim() != 2 || positions_LD.size(0) == context_length || positions_LD.size(0) == 0)
    return positions_LD;
  const at::Tensor channels_1DL = positions_LD.to(at::kFloat).t().unsqueeze(0);
  return at::upsample_linear1d(channels_1DL, {context_length}, /*align_corners=*/false).squeeze(0).t();
}

}  // namespace cloob
