// Retrieval from a parameter-free modern Hopfield network. Everything is computed in at least fp32, outside
// of autocast, and is differentiable.
//
// Shapes: B state patterns, M stored patterns, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// Applies the update state = softmax(beta state stored^T) stored `update_steps` times (>= 1), then
/// L2-normalizes the rows.
///
/// The state is not normalized between the steps, and a stored pattern that equals the state is not masked
/// out. `beta` is a scalar tensor. The B x M matrix is never materialized: it is computed in tiles of `tile`
/// rows and columns (0: see tile_side).
at::Tensor hopfield_retrieve(const at::Tensor& state_BD, const at::Tensor& stored_MD, const at::Tensor& beta,
                             std::int64_t update_steps, std::int64_t tile = 0);
at::Tensor hopfield_retrieve(const at::Tensor& state_BD, const at::Tensor& stored_MD, double beta,
                             std::int64_t update_steps, std::int64_t tile = 0);

struct Retrieval {
  at::Tensor pattern_BD;
  /// Entropy of the softmax of the last step, in nats: 0 if a single stored pattern is retrieved, ln M if their mean
  /// is. Has no gradient.
  at::Tensor entropy_B;
};

/// The same, with entropies.
Retrieval hopfield_retrieve_with_entropy(const at::Tensor& state_BD, const at::Tensor& stored_MD,
                                         const at::Tensor& beta, std::int64_t update_steps,
                                         std::int64_t tile = 0);

/// The patterns that images x and texts y retrieve from images and from texts, all of one process.
struct PairRetrievals {
  at::Tensor u_x_ND, u_y_ND;  ///< from the images: for images, for texts
  at::Tensor v_x_ND, v_y_ND;  ///< from the texts: for images, for texts
  at::Tensor entropy_sum;     ///< of the entropies of all 4 N patterns
};

/// The same as four calls of `hopfield_retrieve` with one update step, for a third less work:
/// self-similarities are symmetric, and image-text similarities are used in both directions.
PairRetrievals hopfield_retrieve_pairs(const at::Tensor& x_ND, const at::Tensor& y_ND, const at::Tensor& beta,
                                       std::int64_t tile = 0);

/// Fraction of the retrieved pattern at a step: rises linearly from 0 at step 0 to 1 at `warmup_steps`;
/// always 1 without warm-up.
double retrieved_fraction(std::int64_t step, std::int64_t warmup_steps);

/// (1 - fraction) state + fraction retrieved, L2-normalized; returns `retrieved_BD` itself if `fraction` is
/// 1.
at::Tensor blend_retrieved(const at::Tensor& state_BD, const at::Tensor& retrieved_BD, double fraction);

}  // namespace cloob
