// Hopfield layers with learned projections, as in hopfield-layers (Ramsauer et al., Hopfield Networks is All You Need,
// 2021; github.com/ml-jku/hopfield-layers), whose parameters have the same names here. docs/hopfield.md says which of
// its options there are, and what they are for.
//
// Shapes: B sets, H heads, L state patterns, M stored patterns, Q learned patterns. Sizes of patterns are in HopfieldShape.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "cloob/nn/layers.h"
#include "cloob/retrieval/association.h"

namespace cloob {

struct HopfieldShape {
  std::int64_t state_size;  ///< features of a state pattern (query)
  // Those that are not given are state_size.
  std::optional<std::int64_t> stored_size = {};  ///< of a stored pattern (key)
  std::optional<std::int64_t> value_size = {};   ///< of what is averaged (value, "pattern projection")
  std::optional<std::int64_t> output_size = {};  ///< of the result
  std::int64_t heads = 1;
  std::optional<std::int64_t> hidden_size =
      {};  ///< where patterns of a head meet; by default state_size / heads
  std::optional<std::int64_t> pattern_size = {};  ///< of a projected value of a head; by default hidden_size

  // Inputs that are not projected meet as they are, in every head: then their size is hidden_size (values: pattern_size).
  bool project_state = true;
  bool project_stored = true;
  bool project_values = true;
  bool project_output = true;  ///< otherwise the result has the values of all heads, H pattern_size

  // Layer norms with gains, before the projections.
  bool normalize_state = true;
  bool normalize_stored = true;
  bool normalize_values = true;
  bool normalize_hidden = false;  ///< of both patterns of each head, after the projections, without gains

  std::vector<double> beta = {};      ///< one, or one for each head; 1 / sqrt(hidden_size) by default
  bool learn_beta = false;            ///< in log space, one for each head
  std::int64_t max_update_steps = 1;  ///< as in AssociationOptions
  double update_eps = 1e-4;
  double dropout = 0;  ///< of the weights, in training
};

/// The projections and the association between them.
class HopfieldCoreImpl : public torch::nn::Module {
 public:
  HopfieldCoreImpl(const HopfieldShape& shape, Initializer& initializer);
  torch::Tensor forward(const torch::Tensor& state, const torch::Tensor& stored, const torch::Tensor& values,
                        const torch::Tensor& mask_BLM) const;
  torch::Tensor weights(const torch::Tensor& state, const torch::Tensor& stored,
                        const torch::Tensor& mask_BLM) const;

 private:
  torch::Tensor by_head(const torch::Tensor& input, std::size_t index) const;
  torch::Tensor hidden(const torch::Tensor& input, std::size_t index) const;
  AssociationOptions options(const torch::Tensor& mask_BLM) const;

  HopfieldShape shape_;
  std::array<std::int64_t, 3> rows_;  ///< of the projections of states, stored patterns and values; 0 without
  torch::Tensor in_proj_weight_;      ///< of all three, if their inputs have one size
  std::array<torch::Tensor, 3> proj_weights_;
  torch::Tensor in_proj_bias_;
  Linear out_proj_{nullptr};
  torch::Tensor log_beta_H_;
};
TORCH_MODULE(HopfieldCore);

/// Associates two sets of patterns: every state pattern retrieves from the stored ones, and returns the average of their
/// values.
class HopfieldImpl : public torch::nn::Module {
 public:
  HopfieldImpl(const HopfieldShape& shape, Initializer& initializer);
  /// (B, L, state_size), (B, M, stored_size), (B, M, value_size) -> (B, L, output_size). `mask_BLM`, bool, possibly
  /// (B, 1, M), says which stored patterns a state may retrieve (hopfield-layers' masks say which it may not).
  torch::Tensor forward(const torch::Tensor& state, const torch::Tensor& stored, const torch::Tensor& values,
                        const torch::Tensor& mask_BLM = {}) const;
  /// The weights of the stored patterns, (B, H, L, M). Their entropy tells what is retrieved: near ln M the mean of all.
  torch::Tensor weights(const torch::Tensor& state, const torch::Tensor& stored,
                        const torch::Tensor& mask_BLM = {}) const;

 private:
  HopfieldCore core_;
  LayerNorm state_norm_{nullptr};
  LayerNorm stored_norm_{nullptr};
  LayerNorm value_norm_{nullptr};
};
TORCH_MODULE(Hopfield);

/// Pools sets of any size: the state patterns are learned.
class HopfieldPoolingImpl : public torch::nn::Module {
 public:
  HopfieldPoolingImpl(const HopfieldShape& shape, std::int64_t num_states, Initializer& initializer);
  /// (B, M, stored_size), (B, M, value_size) -> (B, Q output_size). `mask_BM`: which patterns a set has.
  torch::Tensor forward(const torch::Tensor& stored, const torch::Tensor& values,
                        const torch::Tensor& mask_BM = {}) const;
  torch::Tensor weights(const torch::Tensor& stored, const torch::Tensor& mask_BM = {}) const;

 private:
  torch::Tensor states(const torch::Tensor& stored) const;

  Hopfield hopfield_;
  torch::Tensor pooling_weights_1QD_;
};
TORCH_MODULE(HopfieldPooling);

/// Looks states up in a learned memory (hopfield-layers' HopfieldLayer): stored patterns are learned, and so are their
/// values, unless they are the stored patterns.
class HopfieldLookupImpl : public torch::nn::Module {
 public:
  HopfieldLookupImpl(const HopfieldShape& shape, std::int64_t num_stored, bool separate_values,
                     Initializer& initializer);
  /// (B, L, state_size) -> (B, L, output_size).
  torch::Tensor forward(const torch::Tensor& state) const;

 private:
  Hopfield hopfield_;
  torch::Tensor lookup_weights_1QD_;
  torch::Tensor target_weights_1QD_;  ///< undefined if the values are the stored patterns
};
TORCH_MODULE(HopfieldLookup);

}  // namespace cloob
