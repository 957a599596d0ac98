// Retrieval from a modern Hopfield network without parameters. Everything is computed in fp32 or wider,
// outside of autocast, and is differentiable.
//
// Shapes: B state patterns, M stored patterns, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// Replaces `update_steps` times (>= 1) every state pattern by softmax(beta state stored^T) stored, then
/// gives the rows unit length.
///
/// There is no normalisation between the steps, and a pattern that is its own state is not left out of the
/// memory. `beta` is a scalar tensor. Never holds a B x M matrix: it is gone through in tiles, `tile` rows
/// and columns each (0: see tile_side).
at::Tensor hopfield_retrieve(const at::Tensor& state_BD, const at::Tensor& stored_MD, const at::Tensor& beta,
                             std::int64_t update_steps, std::int64_t tile = 0);
at::Tensor hopfield_retrieve(const at::Tensor& state_BD, const at::Tensor& stored_MD, double beta,
                             std::int64_t update_steps, std::int64_t tile = 0);

/// What images x and texts y retrieve from images and from texts, all of one process.
struct PairRetrievals {
  at::Tensor u_x_ND, u_y_ND;  ///< from the images: for images, for texts
  at::Tensor v_x_ND, v_y_ND;  ///< from the texts: for images, for texts
};

/// The four calls of `hopfield_retrieve` with one update step, for a third less work: similarities are
/// symmetric, and those of images to texts serve twice.
PairRetrievals hopfield_retrieve_pairs(const at::Tensor& x_ND, const at::Tensor& y_ND, const at::Tensor& beta,
                                       std::int64_t tile = 0);

/// Share of the retrieved pattern at a step: rises from 0 at step 0 to 1 at `warmup_steps`; always 1 without
/// warm-up.
double retrieved_share(std::int64_t step, std::int64_t warmup_steps);

/// (1 - share) state + share retrieved, with rows of unit length; the retrieved rows themselves when `share`
/// is 1.
at::Tensor blend_retrieved(const at::Tensor& state_BD, const at::Tensor& retrieved_BD, double share);

}  // namespace cloob
