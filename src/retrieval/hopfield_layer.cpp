#include "cloob/retrieval/hopfield_layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"

namespace cloob {
namespace {

constexpr double kInitialStd = 0.02;

// The inputs, in the order of the packed projections.
enum Input : std::size_t { kState, kStored, kValues };

// With all sizes given.
HopfieldShape resolved(HopfieldShape shape) {
  if (!shape.stored_size) shape.stored_size = shape.state_size;
  if (!shape.value_size) shape.value_size = shape.state_size;
  if (!shape.hidden_size) {
    CLOOB_CHECK(shape.state_size % shape.heads == 0, "{} heads do not divide a state of {}", shape.heads,
                shape.state_size);
    shape.hidden_size = shape.state_size / shape.heads;
  }
  if (!shape.pattern_size) shape.pattern_size = shape.hidden_size;
  if (!shape.output_size) shape.output_size = shape.state_size;
  CLOOB_CHECK(shape.project_state || shape.state_size == shape.hidden_size, "states of {} in a space of {}",
              shape.state_size, *shape.hidden_size);
  CLOOB_CHECK(shape.project_stored || shape.stored_size == shape.hidden_size,
              "stored patterns of {} in a space of {}", *shape.stored_size, *shape.hidden_size);
  CLOOB_CHECK(shape.project_values || !shape.project_output || shape.value_size == shape.pattern_size,
              "values of {} for patterns of {}", *shape.value_size, *shape.pattern_size);
  const auto num_betas = static_cast<std::int64_t>(shape.beta.size());
  CLOOB_CHECK(num_betas <= 1 || num_betas == shape.heads, "{} betas for {} heads", num_betas, shape.heads);
  return shape;
}

// hopfield-layers has one matrix for all projections if no size of an input or of a value is given.
bool is_packed(const HopfieldShape& shape) {
  const auto is_state_size = [&](std::optional<std::int64_t> size) {
    return !size || *size == shape.state_size;
  };
  return is_state_size(shape.stored_size) && is_state_size(shape.value_size) && !shape.pattern_size;
}

torch::Tensor normalized(const LayerNorm& norm, const torch::Tensor& x) {
  return norm.is_empty() ? x : norm->forward(x);
}

torch::Tensor repeat_for_batch(const torch::Tensor& learned_1QD, const torch::Tensor& input) {
  return learned_1QD.expand({input.size(0), -1, -1});
}

}  // namespace

HopfieldCoreImpl::HopfieldCoreImpl(const HopfieldShape& shape, Initializer& initializer)
    : shape_(resolved(shape)) {
  const std::int64_t hidden_rows = shape_.heads * *shape_.hidden_size;
  const std::int64_t value_rows = shape_.heads * *shape_.pattern_size;
  rows_ = {shape_.project_state ? hidden_rows : 0, shape_.project_stored ? hidden_rows : 0,
           shape_.project_values ? value_rows : 0};
  const std::int64_t all_rows = rows_[kState] + rows_[kStored] + rows_[kValues];
  if (all_rows > 0 && is_packed(shape)) {
    in_proj_weight_ =
        register_parameter("in_proj_weight", initializer.normal({all_rows, shape_.state_size}, kInitialStd));
  } else {
    const std::array<std::int64_t, 3> sizes{shape_.state_size, *shape_.stored_size, *shape_.value_size};
    const std::array<const char*, 3> names{"q_proj_weight", "k_proj_weight", "v_proj_weight"};
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i] > 0)
        proj_weights_[i] =
            register_parameter(names[i], initializer.normal({rows_[i], sizes[i]}, kInitialStd));
    }
  }
  // As in hopfield-layers, there are elements for values that are not projected.
  if (all_rows > 0)
    in_proj_bias_ = register_parameter(
        "in_proj_bias", initializer.constant({rows_[kState] + rows_[kStored] + value_rows}, 0));
  if (shape_.project_output)
    out_proj_ = register_module(
        "out_proj", Linear(value_rows, *shape_.output_size,
                           LinearInit{.weight_std = kInitialStd, .zero_bias = true}, initializer));
  if (!shape_.learn_beta) return;
  const double beta =
      shape_.beta.empty() ? 1 / std::sqrt(static_cast<double>(*shape_.hidden_size)) : shape_.beta[0];
  log_beta_H_ = register_parameter("log_beta", initializer.constant({shape_.heads}, std::log(beta)));
  const c10::NoGradGuard no_grad;
  if (shape_.beta.size() > 1) log_beta_H_.copy_(at::tensor(at::ArrayRef<double>(shape_.beta)).log());
}

// (B, L, size) -> (B, H, L, size of a head).
torch::Tensor HopfieldCoreImpl::by_head(const torch::Tensor& input, std::size_t index) const {
  if (rows_[index] == 0) return input.unsqueeze(1).expand({-1, shape_.heads, -1, -1});
  const torch::Tensor weight =
      in_proj_weight_.defined() ? in_proj_weight_.split_with_sizes(rows_)[index] : proj_weights_[index];
  const std::int64_t value_rows = in_proj_bias_.size(0) - rows_[kState] - rows_[kStored];
  const torch::Tensor bias =
      in_proj_bias_.split_with_sizes({rows_[kState], rows_[kStored], value_rows})[index];
  return at::linear(input, weight, bias).unflatten(2, {shape_.heads, -1}).transpose(1, 2);
}

torch::Tensor HopfieldCoreImpl::hidden(const torch::Tensor& input, std::size_t index) const {
  const torch::Tensor patterns_BHLD = by_head(input, index);
  if (!shape_.normalize_hidden) return patterns_BHLD;
  return at::layer_norm(at_least_fp32(patterns_BHLD), {*shape_.hidden_size}, /*weight=*/{}, /*bias=*/{},
                        kLayerNormEps);
}

AssociationOptions HopfieldCoreImpl::options(const torch::Tensor& mask_BLM) const {
  AssociationOptions options{.max_update_steps = shape_.max_update_steps,
                             .update_eps = shape_.update_eps,
                             .dropout = is_training() ? shape_.dropout : 0};
  if (mask_BLM.defined()) options.mask = mask_BLM.unsqueeze(1);
  if (log_beta_H_.defined()) {
    options.beta = log_beta_H_.exp();
  } else if (!shape_.beta.empty()) {
    options.beta = at::tensor(at::ArrayRef<double>(shape_.beta), at::kDouble);
  }
  return options;
}

torch::Tensor HopfieldCoreImpl::forward(const torch::Tensor& state, const torch::Tensor& stored,
                                        const torch::Tensor& values, const torch::Tensor& mask_BLM) const {
  const torch::Tensor retrieved_BHLV =
      associate(hidden(state, kState), hidden(stored, kStored), by_head(values, kValues), options(mask_BLM));
  const torch::Tensor joined = retrieved_BHLV.transpose(1, 2).flatten(2);
  return out_proj_.is_empty() ? joined : out_proj_->forward(joined);
}

torch::Tensor HopfieldCoreImpl::weights(const torch::Tensor& state, const torch::Tensor& stored,
                                        const torch::Tensor& mask_BLM) const {
  return association_weights(hidden(state, kState), hidden(stored, kStored), options(mask_BLM));
}

HopfieldImpl::HopfieldImpl(const HopfieldShape& shape, Initializer& initializer)
    : core_(register_module("association_core", HopfieldCore(shape, initializer))) {
  const auto add_norm = [&](const char* name, bool is_wanted, std::int64_t size) {
    return is_wanted ? register_module(name, LayerNorm(size, initializer)) : LayerNorm(nullptr);
  };
  state_norm_ = add_norm("norm_state_pattern", shape.normalize_state, shape.state_size);
  stored_norm_ =
      add_norm("norm_stored_pattern", shape.normalize_stored, shape.stored_size.value_or(shape.state_size));
  value_norm_ = add_norm("norm_pattern_projection", shape.normalize_values,
                         shape.value_size.value_or(shape.state_size));
}

torch::Tensor HopfieldImpl::forward(const torch::Tensor& state, const torch::Tensor& stored,
                                    const torch::Tensor& values, const torch::Tensor& mask_BLM) const {
  return core_->forward(normalized(state_norm_, state), normalized(stored_norm_, stored),
                        normalized(value_norm_, values), mask_BLM);
}

torch::Tensor HopfieldImpl::weights(const torch::Tensor& state, const torch::Tensor& stored,
                                    const torch::Tensor& mask_BLM) const {
  return core_->weights(normalized(state_norm_, state), normalized(stored_norm_, stored), mask_BLM);
}

HopfieldPoolingImpl::HopfieldPoolingImpl(const HopfieldShape& shape, std::int64_t num_states,
                                         Initializer& initializer)
    : hopfield_(register_module("hopfield", Hopfield(shape, initializer))),
      pooling_weights_1QD_(register_parameter(
          "pooling_weights", initializer.normal({1, num_states, shape.state_size}, kInitialStd))) {}

torch::Tensor HopfieldPoolingImpl::states(const torch::Tensor& stored) const {
  return repeat_for_batch(pooling_weights_1QD_, stored);
}

torch::Tensor HopfieldPoolingImpl::forward(const torch::Tensor& stored, const torch::Tensor& values,
                                           const torch::Tensor& mask_BM) const {
  const torch::Tensor mask_B1M = mask_BM.defined() ? mask_BM.unsqueeze(1) : mask_BM;
  return hopfield_->forward(states(stored), stored, values, mask_B1M).flatten(1);
}

torch::Tensor HopfieldPoolingImpl::weights(const torch::Tensor& stored, const torch::Tensor& mask_BM) const {
  return hopfield_->weights(states(stored), stored, mask_BM.defined() ? mask_BM.unsqueeze(1) : mask_BM);
}

HopfieldLookupImpl::HopfieldLookupImpl(const HopfieldShape& shape, std::int64_t num_stored,
                                       bool separate_values, Initializer& initializer)
    : hopfield_(register_module("hopfield", Hopfield(shape, initializer))) {
  const std::int64_t stored_size = shape.stored_size.value_or(shape.state_size);
  lookup_weights_1QD_ =
      register_parameter("lookup_weights", initializer.normal({1, num_stored, stored_size}, kInitialStd));
  if (separate_values)
    target_weights_1QD_ = register_parameter(
        "target_weights",
        initializer.normal({1, num_stored, shape.value_size.value_or(stored_size)}, kInitialStd));
}

torch::Tensor HopfieldLookupImpl::forward(const torch::Tensor& state) const {
  const torch::Tensor stored = repeat_for_batch(lookup_weights_1QD_, state);
  return hopfield_->forward(
      state, stored, target_weights_1QD_.defined() ? repeat_for_batch(target_weights_1QD_, state) : stored);
}

}  // namespace cloob
