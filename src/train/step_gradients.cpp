#include "train/step_gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/ceil_div.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "cloob/base/full_precision.h"
#include "cloob/nn/layers.h"
#include "cloob/nn/random_state.h"
#include "cloob/nn/streams.h"

namespace cloob {
namespace {

// Texts that are recorded have a multiple of so many tokens, so that there are few recordings.
constexpr std::int64_t kRecordedTokens = 8;

std::optional<FeatureCache> make_cache(const TrainConfig& train, const TowerOptimizerConfig& tower) {
  return train.cache_frozen_features && tower.frozen ? std::optional(FeatureCache()) : std::nullopt;
}

std::vector<at::Tensor> leaves_of(const NamedTensors& parameters) {
  std::vector<at::Tensor> leaves;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.requires_grad()) leaves.push_back(parameter);
  }
  return leaves;
}

/// Calls visit(first, count) for parts whose sizes differ by one at most: a batch norm can do nothing with a
/// single pair that is left over.
template <class Visit>
void for_each_part(std::int64_t size, std::int64_t num_parts, const Visit& visit) {
  num_parts = std::min(num_parts, size);
  for (std::int64_t part = 0; part < num_parts; ++part) {
    const std::int64_t first = size * part / num_parts;
    visit(first, size * (part + 1) / num_parts - first);
  }
}

/// Sums of the gradients of bf16 weights over parts, in float32: bf16 would lose small ones.
class NarrowGradientSums {
 public:
  void take_from(const NamedTensors& parameters) {
    const at::NoGradGuard no_grad;
    for (const auto& [name, parameter] : parameters) {
      if (!is_below_fp32(parameter) || !parameter.grad().defined()) continue;
      const auto sum = sums_.find(name);
      if (sum == sums_.end()) {
        sums_.emplace(name, at_least_fp32(parameter.grad()));
      } else {
        sum->second.add_(parameter.grad());
      }
      parameter.mutable_grad().reset();
    }
  }
  void give_to(const NamedTensors& parameters) const {
    for (const auto& [name, sum] : sums_) parameters.at(name).mutable_grad() = sum;
  }

 private:
  NamedTensors sums_;
};

}  // namespace

StepGradients::StepGradients(const RunConfig& config, DualEncoder model,
                             const ContrastiveObjective& objective, NamedTensors parameters,
                             const LossScaler* scaler, c10::Device device, GraphFactory graphs)
    : precision_(precision_of(config.train)),
      full_batch_size_(config.train.global_batch_size),
      num_parts_(config.train.gradient_cache_parts),
      image_is_frozen_(config.optimizer.image.frozen),
      text_is_frozen_(config.optimizer.text.frozen),
      device_(device),
      model_(std::move(model)),
      objective_(objective),
      parameters_(std::move(parameters)),
      scaler_(scaler),
      image_cache_(make_cache(config.train, config.optimizer.image)),
      text_cache_(make_cache(config.train, config.optimizer.text)) {
  if (!config.train.cuda_graph || !graphs) return;
  const auto work = [this](const std::vector<at::Tensor>& inputs) { return compute_recordable(inputs); };
  replayed_.emplace(std::move(graphs), work, leaves_of(parameters_));
}

at::Tensor StepGradients::compute(const Batch& batch, std::int64_t step) {
  // Batches that lack a pair come in too many sizes, and too seldom, to be recorded.
  const bool can_replay = batch.size() == full_batch_size_ && step >= objective_.first_steady_step();
  if (replayed_ && can_replay) return replayed_->run(recordable_inputs(batch));
  if (num_parts_ > 1) return compute_in_parts(batch, step);
  return backward(encode(batch, 0, batch.size()), step);
}

StepGradients::Features StepGradients::encode(const Batch& batch, std::int64_t first, std::int64_t count) {
  const Autocast autocast(device_.type(), precision_);
  return {
      encode_images(batch.images_BCHW.narrow(0, first, count)),
      encode_texts(batch.tokens_BL.narrow(0, first, count), batch.end_positions_B.narrow(0, first, count))};
}

at::Tensor StepGradients::encode_images(const at::Tensor& images_BCHW) {
  RECORD_USER_SCOPE("encode images");
  const auto encode_all = [&](const at::Tensor& images) {
    // The batch outlives the copy: every step ends with a wait for the device (see TrainStep).
    return model_->encode_image(images.to(device_, /*non_blocking=*/true));
  };
  if (!image_cache_) return encode_all(images_BCHW);
  return image_cache_
      ->features(keys_of_rows(images_BCHW),
                 [&](const at::Tensor& rows_K) { return encode_all(images_BCHW.index_select(0, rows_K)); })
      .to(device_);
}

at::Tensor StepGradients::encode_texts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) {
  RECORD_USER_SCOPE("encode texts");
  if (!text_cache_) return model_->encode_text(tokens_BL, end_positions_B);
  return text_cache_
      ->features(keys_of_texts(tokens_BL, end_positions_B),
                 [&](const at::Tensor& rows_K) {
                   return model_->encode_text(tokens_BL.index_select(0, rows_K),
                                              end_positions_B.index_select(0, rows_K));
                 })
      .to(device_);
}

// Returns the loss.
at::Tensor StepGradients::backward(const Features& features, std::int64_t step) {
  const at::Tensor loss = [&] {
    RECORD_USER_SCOPE("objective");
    return objective_.evaluate(features.image_BD, features.text_BD, model_->inv_tau(), gather_, step).loss;
  }();
  RECORD_USER_SCOPE("backward");
  (scaler_ ? scaler_->scale(loss) : loss).backward();
  return loss.detach();
}

// Gao et al., 2021, "Scaling deep contrastive learning batch size under memory limited setup": the features
// of all parts without what their gradients need, one loss over all of them, and then each part once more,
// through which the gradients of its features go back. The temperature gets its gradient from the one loss.
at::Tensor StepGradients::compute_in_parts(const Batch& batch, std::int64_t step) {
  std::vector<at::Tensor> images, texts, random_states;
  {
    const at::NoGradGuard no_grad;
    const KeepRunningStatistics keep;
    for_each_part(batch.size(), num_parts_, [&](std::int64_t first, std::int64_t count) {
      random_states.push_back(random_state(device_));
      const Features features = encode(batch, first, count);
      images.push_back(features.image_BD);
      texts.push_back(features.text_BD);
    });
  }
  // A frozen tower's features need no gradient and no second pass; it draws no random numbers.
  const Features all{at::cat(images).requires_grad_(!image_is_frozen_),
                     at::cat(texts).requires_grad_(!text_is_frozen_)};
  at::Tensor loss = backward(all, step);
  NarrowGradientSums sums;
  std::size_t number = 0;
  for_each_part(batch.size(), num_parts_, [&](std::int64_t first, std::int64_t count) {
    set_random_state(device_, random_states[number++]);
    std::vector<at::Tensor> outputs, gradients;
    const auto add = [&](const at::Tensor& output, const at::Tensor& all_rows) {
      outputs.push_back(output);
      gradients.push_back(all_rows.grad().narrow(0, first, count));
    };
    {
      const Autocast autocast(device_.type(), precision_);
      if (!image_is_frozen_) add(encode_images(batch.images_BCHW.narrow(0, first, count)), all.image_BD);
      if (!text_is_frozen_) {
        add(encode_texts(batch.tokens_BL.narrow(0, first, count),
                         batch.end_positions_B.narrow(0, first, count)),
            all.text_BD);
      }
    }
    RECORD_USER_SCOPE("backward");
    torch::autograd::backward(outputs, gradients);
    sums.take_from(parameters_);
  });
  sums.give_to(parameters_);
  return loss;
}

std::vector<at::Tensor> StepGradients::recordable_inputs(const Batch& batch) const {
  const std::int64_t length = batch.tokens_BL.size(1), longest = model_->config().text.context_length;
  const std::int64_t padded = std::min(at::round_up(length, kRecordedTokens), longest);
  const at::Tensor tokens_BL = at::constant_pad_nd(batch.tokens_BL, {0, padded - length});
  return {batch.images_BCHW.to(device_, /*non_blocking=*/true), copy_to_device(tokens_BL, device_),
          copy_to_device(batch.end_positions_B, device_)};
}

at::Tensor StepGradients::compute_recordable(const std::vector<at::Tensor>& inputs) {
  const Features features = [&] {
    const Autocast autocast(device_.type(), precision_);
    return Features{encode_images(inputs[0]), model_->encode_padded_text(inputs[1], inputs[2])};
  }();
  return backward(features, objective_.first_steady_step());
}

}  // namespace cloob
