// A projection of features into a space of its own, in which a loss compares them.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <vector>

#include "cloob/nn/initializer.h"
#include "cloob/nn/layers.h"

namespace cloob {

struct ProjectionHeadOptions {
  std::int64_t in = 0;
  std::int64_t hidden = 2048;
  std::int64_t out = 128;
  std::int64_t hidden_layers = 1;  ///< 0: a single linear layer
};

/// ProtoCLIP's projection head: `hidden_layers` times a linear layer, a batch norm over the rows and a ReLU, then a
/// linear layer. Initialized as PyTorch's layers are by default, and with parameters and buffers named as those of
/// the authors' torch.nn.Sequential (`0.weight`, `1.running_mean`, `3.bias`).
///
/// The batch norms take their statistics over the rows of all ranks after `synchronize_batch_norms`; then `forward`
/// is a collective operation in training mode, also for a rank without rows, as is its backward pass.
class ProjectionHeadImpl : public torch::nn::Module {
 public:
  ProjectionHeadImpl(const ProjectionHeadOptions& options, Initializer& initializer);

  /// Features that are not normalized, (B, in) -> (B, out), not normalized either, at least float32 in any compute
  /// precision. In training mode, throws UserError if there is a single row.
  torch::Tensor forward(const torch::Tensor& x_BD);

  /// Adds the same number to each component of the last bias, together a vector of this length: features of two
  /// modalities that start apart.
  void add_constant_vector(double length);

  const ProjectionHeadOptions& options() const { return options_; }

 private:
  ProjectionHeadOptions options_;
  std::vector<BatchNorm> norms_;
  std::vector<Linear> linears_;
};
TORCH_MODULE(ProjectionHead);

/// A head with the same values and memory of its own: ProtoCLIP's image head starts as a copy of its text head. For
/// heads as they are constructed, before they are moved to another device or dtype.
ProjectionHead copy_of(const ProjectionHead& head);

}  // namespace cloob
