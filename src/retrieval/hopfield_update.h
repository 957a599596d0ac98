// One update of a modern Hopfield network, without the matrix of similarities.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

enum class Normalize { no, yes };

/// Retrieved patterns, and the entropy in nats of the weights of each, which has no gradient.
struct Update {
  at::Tensor pattern_BD;
  at::Tensor entropy_B;
};

/// softmax(beta state stored^T) stored, computed in tiles: (B, D), (M, D) -> (B, D), optionally
/// L2-normalized. The backward pass recomputes every tile. Besides arguments and result, it needs memory for
/// the gradients and two tiles. All tensors have the same dtype, at least fp32; `beta` is a scalar.
/// Differentiable once with respect to all three.
Update hopfield_update(const at::Tensor& state_BD, const at::Tensor& stored_MD, const at::Tensor& beta,
                       Normalize normalize, std::int64_t tile);

struct CrossUpdates {
  Update x_to_y_N;  ///< softmax(beta x y^T) y, L2-normalized
  Update y_to_x_M;  ///< softmax(beta y x^T) x, L2-normalized
};

/// Both directions at once, sharing every similarity. Otherwise like `hopfield_update`, with three tiles.
CrossUpdates cross_update(const at::Tensor& x_ND, const at::Tensor& y_MD, const at::Tensor& beta,
                          std::int64_t tile);

/// softmax(beta x x^T) x, L2-normalized, from half of the similarities.
Update self_update(const at::Tensor& x_ND, const at::Tensor& beta, std::int64_t tile);

}  // namespace cloob
