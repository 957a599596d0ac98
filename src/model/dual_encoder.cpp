#include "cloob/model/dual_encoder.h"

#include <ATen/core/grad_mode.h>

#include <cmath>
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

}  // namespace

DualEncoderImpl::DualEncoderImpl(const ModelConfig& config, Initializer initializer)
    : config_(config),
      image_encoder_(register_module("visual", make_image_encoder(config, configured(initializer, config)))),
      text_encoder_(config, initializer),
      logit_scale_(register_parameter("logit_scale", initializer.constant({}, 0))) {
  text_encoder_->register_in(*this);
}

torch::Tensor DualEncoderImpl::encode_image(const torch::Tensor& images_BCHW) {
  const std::int64_t size = config_.image.image_size;
  CLOOB_CHECK(images_BCHW.dim() == 4 && images_BCHW.size(1) == 3 && images_BCHW.size(2) == size &&
                  images_BCHW.size(3) == size,
              "images of shape (batch, 3, {}, {}) were expected", size, size);
  return unit_rows(image_encoder_->forward(images_BCHW));
}

torch::Tensor DualEncoderImpl::encode_text(const torch::Tensor& tokens_BL,
                                           const torch::Tensor& end_positions_B) const {
  require_texts(tokens_BL);
  return unit_rows(text_encoder_->forward(tokens_BL, end_positions_B));
}

torch::Tensor DualEncoderImpl::encode_padded_text(const torch::Tensor& tokens_BL,
                                                  const torch::Tensor& end_positions_B) const {
  require_texts(tokens_BL);
  return unit_rows(text_encoder_->forward_padded(tokens_BL, end_positions_B));
}

void DualEncoderImpl::require_texts(const torch::Tensor& tokens_BL) const {
  CLOOB_CHECK(tokens_BL.dim() == 2 && tokens_BL.size(1) <= config_.text.context_length,
              "texts of at most {} tokens were expected", config_.text.context_length);
}

void DualEncoderImpl::set_recompute(bool recompute) {
  image_encoder_->set_recompute(recompute);
  text_encoder_->set_recompute(recompute);
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

torch::Tensor DualEncoderImpl::inv_tau() const { return logit_scale_.exp(); }

void DualEncoderImpl::set_inv_tau(double inv_tau, bool learned) {
  CLOOB_CHECK(inv_tau > 0, "inv_tau {}", inv_tau);
  const at::NoGradGuard no_grad;
  logit_scale_.fill_(std::log(inv_tau));
  logit_scale_.requires_grad_(learned);
}

}  // namespace cloob
