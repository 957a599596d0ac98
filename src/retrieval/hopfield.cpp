#include "cloob/retrieval/hopfield.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/scalar_tensor.h>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/tiles.h"
#include "retrieval/hopfield_update.h"

namespace cloob {

Retrieval hopfield_retrieve_with_entropy(const at::Tensor& state_BD, const at::Tensor& stored_MD,
                                         const at::Tensor& beta, std::int64_t update_steps,
                                         std::int64_t tile) {
  CLOOB_CHECK(state_BD.dim() == 2 && stored_MD.dim() == 2 && state_BD.size(1) == stored_MD.size(1),
              "state and stored patterns must be matrices with the same number of columns");
  CLOOB_CHECK(update_steps >= 1 && stored_MD.size(0) >= 1, "{} update steps, {} stored patterns",
              update_steps, stored_MD.size(0));
  const OutsideAutocast outside_autocast;
  const auto input_type = c10::promoteTypes(state_BD.scalar_type(), stored_MD.scalar_type());
  const auto type = c10::promoteTypes(input_type, at::kFloat);
  const at::Tensor stored = stored_MD.to(type);
  const at::Tensor scale = beta.to(type);
  at::Tensor pattern_BD = state_BD.to(type);
  const std::int64_t side = tile_side(tile);
  for (std::int64_t step = 1; step < update_steps; ++step) {
    pattern_BD = hopfield_update(pattern_BD, stored, scale, Normalize::no, side).pattern_BD;
  }
  const Update last = hopfield_update(pattern_BD, stored, scale, Normalize::yes, side);
  return {last.pattern_BD, last.entropy_B};
}

at::Tensor hopfield_retrieve(const at::Tensor& state_BD, const at::Tensor& stored_MD, const at::Tensor& beta,
                             std::int64_t update_steps, std::int64_t tile) {
  return hopfield_retrieve_with_entropy(state_BD, stored_MD, beta, update_steps, tile).pattern_BD;
}

at::Tensor hopfield_retrieve(const at::Tensor& state_BD, const at::Tensor& stored_MD, double beta,
                             std::int64_t update_steps, std::int64_t tile) {
  return hopfield_retrieve(state_BD, stored_MD, at::scalar_tensor(beta, at::kDouble), update_steps, tile);
}

PairRetrievals hopfield_retrieve_pairs(const at::Tensor& x_ND, const at::Tensor& y_ND, const at::Tensor& beta,
                                       std::int64_t tile) {
  CLOOB_CHECK(x_ND.dim() == 2 && x_ND.sizes() == y_ND.sizes() && x_ND.size(0) >= 1,
              "images and texts must be matrices of the same size");
  const OutsideAutocast outside_autocast;
  const auto type = c10::promoteTypes(c10::promoteTypes(x_ND.scalar_type(), y_ND.scalar_type()), at::kFloat);
  const at::Tensor x = x_ND.to(type), y = y_ND.to(type), scale = beta.to(type);
  const std::int64_t side = tile_side(tile);
  const auto [v_x, u_y] = cross_update(x, y, scale, side);
  const Update u_x = self_update(x, scale, side), v_y = self_update(y, scale, side);
  return {u_x.pattern_BD, u_y.pattern_BD, v_x.pattern_BD, v_y.pattern_BD,
          (u_x.entropy_B + u_y.entropy_B + v_x.entropy_B + v_y.entropy_B).sum()};
}

double retrieved_fraction(std::int64_t step, std::int64_t warmup_steps) {
  if (step >= warmup_steps) return 1.0;
  return static_cast<double>(step) / static_cast<double>(warmup_steps);
}

at::Tensor blend_retrieved(const at::Tensor& state_BD, const at::Tensor& retrieved_BD, double fraction) {
  if (fraction >= 1.0) return retrieved_BD;
  const OutsideAutocast outside_autocast;
  return unit_rows(at_least_fp32(state_BD) * (1.0 - fraction) + at_least_fp32(retrieved_BD) * fraction);
}

}  // namespace cloob
