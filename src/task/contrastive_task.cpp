#include "cloob/task/contrastive_task.h"

#include <ATen/ceil_div.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/zeros.h>
#include <ATen/record_function.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/prefixed_tensors.h"
#include "cloob/device/streams.h"
#include "cloob/model/weights.h"
#include "cloob/nn/eval_mode.h"
#include "cloob/nn/layers.h"
#include "task/feature_cache.h"

namespace cloob {
namespace {

constexpr const char* kObjectivePrefix = "objective.";

// Texts of a captured step are padded to a multiple of this many tokens, so that there are few shapes to
// capture.
constexpr std::int64_t kGraphTokens = 8;

LogitScaling scaling_of(const DualEncoder& model) { return {model->inv_tau(), model->logit_bias()}; }

// Resuming with another loss would start the bias anew, or lose it.
void require_same_bias(const DualEncoder& model, const NamedTensors& weights) {
  const bool has_bias = model->logit_bias().defined();
  if (has_bias == weights.contains(kLogitBias)) return;
  throw_user_error(
      "the checkpoint has {} learned '{}' and loss.kind is {}sigmoid: resume with the loss.* settings that the run was "
      "started with",
      has_bias ? "no" : "a", kLogitBias, has_bias ? "" : "not ");
}

std::unique_ptr<FeatureCache> make_cache(bool caches, bool is_frozen) {
  return caches && is_frozen ? std::make_unique<FeatureCache>() : nullptr;
}

}  // namespace

DualEncoderFeatures::DualEncoderFeatures(DualEncoder model, const ContrastiveObjective& objective,
                                         Scaling scaling, c10::Device device)
    : model_(std::move(model)), objective_(objective), scaling_(std::move(scaling)), device_(device) {}

ImageFeatureStages DualEncoderFeatures::encode_image(const at::Tensor& images_BCHW,
                                                     const FeatureStages& more) {
  const c10::NoGradGuard no_grad;
  const EvalMode eval_mode(*model_);
  return model_->encode_image(images_BCHW, more);
}

at::Tensor DualEncoderFeatures::encode_text(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) {
  const c10::NoGradGuard no_grad;
  const EvalMode eval_mode(*model_);
  return model_->encode_text(tokens_BL, end_positions_B);
}

PairMeasures DualEncoderFeatures::measure_pairs(const at::Tensor& image_ND, const at::Tensor& text_ND) {
  return objective_.measure(image_ND, text_ND, scaling_());
}

std::optional<double> DualEncoderFeatures::chance_loss(std::int64_t num_pairs) const {
  return objective_.chance_loss(num_pairs, scaling_().inv_tau.item<double>());
}

std::string DualEncoderFeatures::loss_name() const { return std::string(enum_name(objective_.system())); }

ContrastiveTask::ContrastiveTask(DualEncoder model, ContrastiveObjective objective,
                                 const ContrastiveTaskOptions& options, const Collectives& collectives,
                                 c10::Device device)
    : model_(std::move(model)),
      objective_(std::move(objective)),
      options_(options),
      collectives_(collectives),
      device_(device),
      features_(
          model_, objective_, [model = model_] { return scaling_of(model); }, device),
      image_cache_(make_cache(options.caches_frozen_features, options.image_is_frozen)),
      text_cache_(make_cache(options.caches_frozen_features, options.text_is_frozen)) {
  if (encodes_collectively()) synchronize_batch_norms(*model_, collectives);
}

ContrastiveTask::~ContrastiveTask() = default;

TrainedParameters ContrastiveTask::parameters() const {
  TrainedParameters parameters = model_->trained_parameters();
  for (const auto& [name, tensor] : objective_.parameters())
    parameters.emplace(name, TrainedParameter{.tensor = tensor, .is_exempt_from_decay = true});
  return parameters;
}

RowOutputs ContrastiveTask::encode(const Batch& batch, RowRange rows, EncodePass pass) {
  RowOutputs outputs = {{.rows = {}, .is_trained = !options_.image_is_frozen},
                        {.rows = {}, .is_trained = !options_.text_is_frozen}};
  const auto is_needed = [pass](const RowOutput& output) {
    return pass == EncodePass::first || output.is_trained;
  };
  const auto cut = [&](const at::Tensor& inputs) { return inputs.narrow(0, rows.first, rows.count); };
  const std::int64_t dim = model_->config().embed_dim;
  if (is_needed(outputs[0]))
    outputs[0].rows = rows.count == 0 && !encodes_collectively() ? no_rows(dim, outputs[0].is_trained)
                                                                 : encode_images(cut(batch.images_BCHW));
  if (!is_needed(outputs[1])) return outputs;
  const at::Tensor tokens_BL = cut(batch.tokens_BL), end_positions_B = cut(batch.end_positions_B);
  if (rows.count == 0) {
    outputs[1].rows = no_rows(dim, outputs[1].is_trained);
  } else if (batch.has_static_shape) {
    RECORD_USER_SCOPE("encode texts");
    outputs[1].rows = model_->encode_padded_text(tokens_BL, end_positions_B);
  } else {
    outputs[1].rows = encode_texts(tokens_BL, end_positions_B);
  }
  return outputs;
}

at::Tensor ContrastiveTask::no_rows(std::int64_t dim, bool is_trained) const {
  return at::zeros({0, dim}, model_->logit_scale().options())
      .requires_grad_(is_trained && c10::GradMode::is_enabled());
}

// The image tower exchanges statistics with the other ranks, so that a rank without rows has to take part.
bool ContrastiveTask::encodes_collectively() const {
  return options_.syncs_batch_norms && !options_.image_is_frozen &&
         model_->config().image.kind == ImageEncoderKind::resnet;
}

at::Tensor ContrastiveTask::encode_images(const at::Tensor& images_BCHW) {
  RECORD_USER_SCOPE("encode images");
  if (!image_cache_) return model_->encode_image(copy_to_device(images_BCHW, device_));
  return image_cache_
      ->features(keys_of_rows(images_BCHW),
                 [&](const at::Tensor& rows_K) {
                   return model_->encode_image(copy_to_device(images_BCHW.index_select(0, rows_K), device_));
                 })
      .to(device_);
}

at::Tensor ContrastiveTask::encode_texts(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) {
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

LossOutput ContrastiveTask::loss(const RowOutputs& outputs, const Batch&, std::int64_t step) const {
  RECORD_USER_SCOPE("objective");
  at::Tensor entropy;
  LossOutput output{.loss =
                        objective_.evaluate(outputs[0].rows, outputs[1].rows, scaling_of(model_),
                                            collectives_, objective_.retrieved_fraction_at(step), &entropy)};
  if (entropy.defined()) output.terms.emplace_back("retrieval_entropy", entropy);
  return output;
}

// Has no effect if the update was skipped on the device: the scale was within its bounds before.
void ContrastiveTask::after_update() {
  clamp_logit_scale(model_->logit_scale(), options_.logit_scale_bounds);
}

bool ContrastiveTask::reads_images_on_host() const { return image_cache_ != nullptr; }

Batch ContrastiveTask::to_static_shape(const Batch& batch) const {
  const std::int64_t length = batch.tokens_BL.size(1), max_length = model_->config().text.context_length;
  const std::int64_t padded = std::min(at::round_up(length, kGraphTokens), max_length);
  Batch result = batch;
  result.has_static_shape = true;
  result.images_BCHW = copy_to_device(batch.images_BCHW, device_);
  result.tokens_BL = copy_to_device(at::constant_pad_nd(batch.tokens_BL, {0, padded - length}), device_);
  result.end_positions_B = copy_to_device(batch.end_positions_B, device_);
  return result;
}

NamedScalars ContrastiveTask::scalars() const {
  NamedScalars scalars = {{"logit_scale", model_->inv_tau().detach()}};
  if (const at::Tensor& bias = model_->logit_bias(); bias.defined())
    scalars.emplace_back(kLogitBias, bias.detach());
  if (!objective_.parameters().empty()) scalars.emplace_back("beta", objective_.beta().detach());
  return scalars;
}

std::optional<double> ContrastiveTask::chance_loss(std::int64_t num_samples) const {
  return features_.chance_loss(num_samples);
}

NamedTensors ContrastiveTask::weights() const { return weights_of(model_); }

NamedTensors ContrastiveTask::state() const {
  NamedTensors state;
  add_with_prefix(state, kObjectivePrefix, objective_.parameters());
  return state;
}

void ContrastiveTask::load(const NamedTensors& weights, const NamedTensors& state) {
  if (state.contains("protoclip.episode")) {
    throw_user_error(
        "the checkpoint was written by task.kind protoclip: resume with it, or start from its weights (train.initial_weights)");
  }
  require_same_bias(model_, weights);
  load_weights(model_, weights, "the checkpoint");
  if (options_.fixed_inv_tau) model_->set_inv_tau(*options_.fixed_inv_tau, /*learned=*/false);
  objective_.load_state(with_prefix_removed(state, kObjectivePrefix));
}

}  // namespace cloob
