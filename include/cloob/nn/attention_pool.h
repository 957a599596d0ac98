#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "cloob/nn/layers.h"

namespace cloob {

struct AttentionPoolShape {
  std::int64_t grid_size;  ///< rows and columns of the feature map
  std::int64_t width;
  std::int64_t heads;
  std::int64_t output_width;
};

/// Attention pooling of a feature map: the mean is the only query and attends to itself and to every position
/// of the map.
class AttentionPoolImpl : public torch::nn::Module {
 public:
  AttentionPoolImpl(const AttentionPoolShape& shape, Initializer& initializer);
  /// (B, width, grid_size, grid_size) -> (B, output_width).
  torch::Tensor forward(const torch::Tensor& x_BCHW) const { return project(pool(x_BCHW)); }
  /// (B, width, grid_size, grid_size) -> (B, width): what the output projection gets.
  torch::Tensor pool(const torch::Tensor& x_BCHW) const;
  /// (B, width) -> (B, output_width).
  torch::Tensor project(const torch::Tensor& pooled_BC) const;

 private:
  std::int64_t heads_;
  torch::Tensor positional_embedding_;  ///< row 0 belongs to the mean
  Linear key_;
  Linear query_;
  Linear value_;
  Linear output_;
};
TORCH_MODULE(AttentionPool);

}  // namespace cloob
