#include "cloob/model/dual_encoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"

namespace cloob {
namespace {

Initializer& configured(Initializer& initializer, const ModelConfig& config) {
  initializer.round_to_fp16(config.round_init_to_fp16);
  return initializer;
}

void freeze(torch::nn::Module& tower) {
  for (torch::Tensor& parameter : tower.parameters()) parameter.requires_grad_(false);
  tower.eval();
}

bool is_matrix(const std::string& name, const torch::Tensor& parameter) {
  return parameter.dim() >= 2 && name.find("embedding") == std::string::npos;
}

void add_tower(TrainedParameters& all, const torch::nn::Module& encoder, const std::string& prefix,
               Tower tower, const ParametersByLayer& layers) {
  const auto layer_of = [&](const torch::Tensor& parameter) -> std::optional<std::int64_t> {
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      for (const torch::Tensor& candidate : layers[layer]) {
        if (candidate.is_same(parameter)) return static_cast<std::int64_t>(layer);
      }
    }
    return std::nullopt;
  };
  for (const auto& item : encoder.named_parameters()) {
    const bool is_new =
        all.emplace(prefix + item.key(), TrainedParameter{item.value(), tower, layer_of(item.value())})
            .second;
    CLOOB_CHECK(is_new, "two parameters are called '{}{}'", prefix, item.key());
  }
}

}  // namespace

DualEncoderImpl::DualEncoderImpl(const ModelConfig& config, Initializer initializer)
    : config_(config),
      image_encoder_(register_module("visual", make_image_encoder(config, configured(initializer, config)))),
      text_encoder_(config, initializer),
      logit_scale_(register_parameter("logit_scale", initializer.constant({}, 0))) {
  text_encoder_->register_in(*this);
}

torch::Tensor DualEncoderImpl::encode_image(const torch::Tensor& images_BCHW) {
  return encode_image(images_BCHW, {}).unit_BD;
}

ImageFeatureStages DualEncoderImpl::encode_image(const torch::Tensor& images_BCHW,
                                                 const FeatureStages& more) {
  const std::int64_t size = config_.image.image_size;
  CLOOB_CHECK(images_BCHW.dim() == 4 && images_BCHW.size(1) == 3 && images_BCHW.size(2) == size &&
                  images_BCHW.size(3) == size,
              "expected images of shape (batch, 3, {}, {})", size, size);
  const torch::Tensor tower_BW = image_encoder_->tower_features(images_BCHW);
  const torch::Tensor raw_BD = image_encoder_->project(tower_BW);
  ImageFeatureStages features{.unit_BD = unit_rows(raw_BD), .raw_BD = {}, .tower_BW = {}};
  if (more.contains(FeatureStage::raw)) features.raw_BD = at_least_fp32(raw_BD);
  if (more.contains(FeatureStage::tower)) features.tower_BW = at_least_fp32(tower_BW);
  return features;
}

torch::Tensor DualEncoderImpl::encode_text_raw(const torch::Tensor& tokens_BL,
                                               const torch::Tensor& end_positions_B) const {
  check_texts(tokens_BL);
  return at_least_fp32(text_encoder_->forward(tokens_BL, end_positions_B));
}

torch::Tensor DualEncoderImpl::encode_text(const torch::Tensor& tokens_BL,
                                           const torch::Tensor& end_positions_B) const {
  return unit_rows(encode_text_raw(tokens_BL, end_positions_B));
}

torch::Tensor DualEncoderImpl::encode_padded_text(const torch::Tensor& tokens_BL,
                                                  const torch::Tensor& end_positions_B) const {
  check_texts(tokens_BL);
  return unit_rows(text_encoder_->forward_padded(tokens_BL, end_positions_B));
}

void DualEncoderImpl::check_texts(const torch::Tensor& tokens_BL) const {
  CLOOB_CHECK(tokens_BL.dim() == 2 && tokens_BL.size(1) <= config_.text.context_length,
              "expected texts of at most {} tokens", config_.text.context_length);
}

void DualEncoderImpl::set_gradient_checkpointing(bool enabled) {
  image_encoder_->set_gradient_checkpointing(enabled);
  text_encoder_->set_gradient_checkpointing(enabled);
}

void DualEncoderImpl::freeze_image() {
  image_is_frozen_ = true;
  freeze(*image_encoder_);
}

void DualEncoderImpl::freeze_text() {
  text_is_frozen_ = true;
  freeze(*text_encoder_);
}

void DualEncoderImpl::train(bool on) {
  torch::nn::Module::train(on);
  if (image_is_frozen_) image_encoder_->eval();
  if (text_is_frozen_) text_encoder_->eval();
}

void DualEncoderImpl::store_matrices_as(at::ScalarType type) {
  for (auto& item : named_parameters()) {
    torch::Tensor& parameter = item.value();
    if (is_matrix(item.key(), parameter)) parameter.set_data(parameter.detach().to(type));
  }
}

TrainedParameters DualEncoderImpl::trained_parameters() const {
  TrainedParameters all;
  add_tower(all, *image_encoder_, "visual.", Tower::image, image_encoder_->parameters_by_layer());
  add_tower(all, *text_encoder_, "", Tower::text, text_encoder_->parameters_by_layer());
  all.emplace("logit_scale", TrainedParameter{logit_scale_});
  if (const torch::Tensor& bias = logit_bias(); bias.defined())
    all.emplace(kLogitBias, TrainedParameter{.tensor = bias, .is_exempt_from_decay = true});
  CLOOB_CHECK(all.size() == named_parameters().size(), "{} parameters have a tower, {} are registered",
              all.size(), named_parameters().size());
  return all;
}

torch::Tensor DualEncoderImpl::inv_tau() const { return logit_scale_.exp(); }

void DualEncoderImpl::set_inv_tau(double inv_tau, bool learned) {
  CLOOB_CHECK(inv_tau > 0, "inv_tau {}", inv_tau);
  const at::NoGradGuard no_grad;
  logit_scale_.fill_(std::log(inv_tau));
  logit_scale_.requires_grad_(learned);
}

void DualEncoderImpl::add_logit_bias(double bias) {
  logit_bias_ = register_parameter(
      kLogitBias, at::full({}, bias, at::TensorOptions(logit_scale_.dtype()).device(logit_scale_.device())));
}

}  // namespace cloob
