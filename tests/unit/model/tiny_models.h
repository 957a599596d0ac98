// The smallest models with every component.
#pragma once

#include "cloob/base/named_tensors.h"
#include "cloob/model/dual_encoder.h"

namespace cloob::testing {

inline ModelConfig tiny_resnet() {
  return {.embed_dim = 12,
          .activation = Activation::quick_gelu,
          .image = {.kind = ImageEncoderKind::resnet,
                    .image_size = 64,
                    .layers = {2, 1, 1, 1},
                    .width = 8,
                    .patch_size = std::nullopt,
                    .head_width = 64},
          .text = {.context_length = 10, .vocab_size = 40, .width = 64, .heads = 1, .layers = 2},
          .round_init_to_fp16 = false};
}

inline ModelConfig tiny_vit() {
  ModelConfig config = tiny_resnet();
  config.image = {.kind = ImageEncoderKind::vit,
                  .image_size = 24,
                  .layers = {2},
                  .width = 64,
                  .patch_size = 8,
                  .head_width = 64};
  return config;
}

/// A vision transformer as timm has it and SLIP uses it.
inline ModelConfig tiny_slip() {
  ModelConfig config = tiny_vit();
  config.image.norm_before_blocks = false;
  config.image.patch_bias = true;
  config.image.norm_eps = 1e-6;
  config.image.activation = Activation::gelu;
  return config;
}

inline DualEncoder random_model(const ModelConfig& config, std::uint64_t seed) {
  return DualEncoder(config, Initializer::random(seed));
}

/// Takes the gradients out of a model, which has none afterwards.
inline NamedTensors take_gradients(const DualEncoder& model) {
  NamedTensors gradients;
  for (const auto& item : model->named_parameters()) {
    if (item.value().grad().defined()) gradients.emplace(item.key(), item.value().grad());
    item.value().mutable_grad().reset();
  }
  return gradients;
}

}  // namespace cloob::testing
