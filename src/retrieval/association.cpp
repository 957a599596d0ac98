#include "cloob/retrieval/association.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_safe_softmax.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <limits>
#include <optional>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"

namespace cloob {
namespace {

// States and stored patterns in the type of the computation.
struct Patterns {
  at::Tensor state_BHLD, stored_BHMD;
};

Patterns checked(const at::Tensor& state_BHLD, const at::Tensor& stored_BHMD,
                 const AssociationOptions& options) {
  CLOOB_CHECK(state_BHLD.dim() == 4 && stored_BHMD.dim() == 4 && state_BHLD.size(3) == stored_BHMD.size(3),
              "state and stored patterns must be (B, H, L, D) and (B, H, M, D)");
  CLOOB_CHECK(options.max_update_steps >= 1 && options.update_eps > 0, "{} update steps, eps {}",
              options.max_update_steps, options.update_eps);
  const auto type =
      c10::promoteTypes(c10::promoteTypes(state_BHLD.scalar_type(), stored_BHMD.scalar_type()), at::kFloat);
  return {state_BHLD.to(type), stored_BHMD.to(type)};
}

at::Tensor scaled(const at::Tensor& state_BHLD, const at::Tensor& beta) {
  if (!beta.defined()) return state_BHLD / std::sqrt(static_cast<double>(state_BHLD.size(3)));
  return state_BHLD * beta.to(state_BHLD.options()).view({-1, 1, 1});
}

at::Tensor weights_of(const at::Tensor& state_BHLD, const at::Tensor& stored_BHMD,
                      const AssociationOptions& options) {
  at::Tensor logits_BHLM = at::matmul(scaled(state_BHLD, options.beta), stored_BHMD.transpose(2, 3));
  if (options.mask.defined())
    logits_BHLM =
        logits_BHLM.masked_fill(options.mask.logical_not(), -std::numeric_limits<double>::infinity());
  return at::_safe_softmax(logits_BHLM, 3);
}

// The states after all updates but the last one.
at::Tensor settle(at::Tensor state_BHLD, const at::Tensor& stored_BHMD, const AssociationOptions& options) {
  at::Tensor last_BHLM;
  at::Tensor is_moving_H = at::ones({state_BHLD.size(1)}, state_BHLD.options().dtype(at::kBool));
  for (std::int64_t step = 1; step < options.max_update_steps; ++step) {
    const at::Tensor weights_BHLM = weights_of(state_BHLD, stored_BHMD, options);
    if (last_BHLM.defined()) {
      const at::Tensor change_BH =
          at::linalg_vector_norm((weights_BHLM - last_BHLM).detach(), 2, at::IntArrayRef{2, 3});
      is_moving_H = is_moving_H.logical_and(change_BH.amax(0) > options.update_eps);
      if (!is_moving_H.any().item<bool>()) break;
    }
    state_BHLD = at::where(is_moving_H.view({-1, 1, 1}), at::matmul(weights_BHLM, stored_BHMD), state_BHLD);
    last_BHLM = weights_BHLM;
  }
  return state_BHLD;
}

}  // namespace

at::Tensor associate(const at::Tensor& state_BHLD, const at::Tensor& stored_BHMD,
                     const at::Tensor& values_BHMV, const AssociationOptions& options) {
  const OutsideAutocast outside_autocast;
  const auto [state, stored] = checked(state_BHLD, stored_BHMD, options);
  const std::optional<at::Tensor> mask = options.mask.defined() ? std::optional(options.mask) : std::nullopt;
  return at::scaled_dot_product_attention(scaled(settle(state, stored, options), options.beta), stored,
                                          values_BHMV.to(stored.scalar_type()), mask, options.dropout,
                                          /*is_causal=*/false, /*scale=*/1.0)
      .to(values_BHMV.scalar_type());
}

at::Tensor association_weights(const at::Tensor& state_BHLD, const at::Tensor& stored_BHMD,
                               const AssociationOptions& options) {
  const OutsideAutocast outside_autocast;
  const auto [state, stored] = checked(state_BHLD, stored_BHMD, options);
  return weights_of(settle(state, stored, options), stored, options);
}

}  // namespace cloob
