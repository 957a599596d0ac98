// One update of a modern Hopfield network, without the matrix of similarities.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

enum class RowLength { as_it_comes, unit };

/// softmax(beta state stored^T) stored, by tiles: (B, D), (M, D) -> (B, D), its rows of unit length where
/// that is asked for. The backward pass computes every tile again. Memory beside arguments and result: the
/// gradients and two tiles. All tensors have one type, fp32 or wider; `beta` is a scalar. Gradients flow to
/// the three of them, once.
at::Tensor associate(const at::Tensor& state_BD, const at::Tensor& stored_MD, const at::Tensor& beta,
                     RowLength length, std::int64_t tile);

struct Associations {
  at::Tensor x_to_y_ND;  ///< softmax(beta x y^T) y, rows of unit length
  at::Tensor y_to_x_MD;  ///< softmax(beta y x^T) x, rows of unit length
};

/// Both at once, which share every similarity. As `associate` otherwise, with three tiles.
Associations associate_each_other(const at::Tensor& x_ND, const at::Tensor& y_MD, const at::Tensor& beta,
                                  std::int64_t tile);

/// softmax(beta x x^T) x, rows of unit length, from half of the similarities.
at::Tensor associate_themselves(const at::Tensor& x_ND, const at::Tensor& beta, std::int64_t tile);

}  // namespace cloob
