// A dual encoder with a loss that does not need an objective.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include "cloob/model/dual_encoder.h"
#include "cloob/model/feature_model.h"
#include "cloob/nn/eval_mode.h"

namespace cloob::testing {

/// The loss depends on every pair and on the number of pairs.
class ScaledModel final : public FeatureModel {
 public:
  explicit ScaledModel(DualEncoder model) : model_(std::move(model)) {}

  const ModelConfig& config() const override { return model_->config(); }
  c10::Device device() const override { return at::kCPU; }
  ImageFeatureStages encode_image(const at::Tensor& images_BCHW, const FeatureStages& more) override {
    const at::NoGradGuard no_grad;
    const EvalMode eval_mode(*model_);
    return model_->encode_image(images_BCHW, more);
  }
  at::Tensor encode_text(const at::Tensor& tokens_BL, const at::Tensor& end_positions_B) override {
    const at::NoGradGuard no_grad;
    return model_->encode_text(tokens_BL, end_positions_B);
  }
  PairMeasures measure_pairs(const at::Tensor& image_ND, const at::Tensor& text_ND) override {
    return {.loss = (image_ND * text_ND).sum() * static_cast<double>(image_ND.size(0)),
            .gradient_weight = image_ND.sum()};
  }
  std::int64_t min_pairs() const override { return 2; }
  std::string loss_name() const override { return "scaled"; }

 private:
  DualEncoder model_;
};

}  // namespace cloob::testing
