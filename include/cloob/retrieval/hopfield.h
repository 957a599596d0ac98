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
/// memory. `beta` is a scalar tensor. Never holds a B x M matrix where LibTorch has a fused attention for the
/// device.
at::Tensor hopfield_retrieve(const at::Tensor& state_BD, const at::Tensor& stored_MD, const at::Tensor& beta,
                             std::int64_t update_steps);
at::Tensor hopfield_retrieve(const at::Tensor& state_BD, const at::Tensor& stored_MD, double beta,
                             std::int64_t update_steps);

/// Share of the retrieved pattern at a step: rises from 0 at step 0 to 1 at `warmup_steps`; always 1 without
/// warm-up.
double retrieved_share(std::int64_t step, std::int64_t warmup_steps);

/// (1 - share) state + share retrieved, with rows of unit length; the retrieved rows themselves when `share`
/// is 1.
at::Tensor blend_retrieved(const at::Tensor& state_BD, const at::Tensor& retrieved_BD, double share);

}  // namespace cloob
