// The smallest models, settings and batches that training can be tried with.
#pragma once

#include <ATen/ATen.h>

#include <numeric>

#include "cloob/data/batch.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/train/run_config.h"

namespace cloob::testing {

inline ImageEncoderConfig tiny_image(ImageEncoderKind kind) {
  if (kind == ImageEncoderKind::vit) {
    return {.kind = kind, .image_size = 16, .layers = {2}, .width = 16, .patch_size = 4, .head_width = 8};
  }
  return {.kind = kind,
          .image_size = 32,
          .layers = {1, 1, 1, 1},
          .width = 4,
          .patch_size = std::nullopt,
          .head_width = 64};
}

inline RunConfig config_of(ImageEncoderKind kind) {
  RunConfig config;
  config.train.precision = Precision::fp32;
  config.model.embed_dim = 12;
  config.model.image = tiny_image(kind);
  config.model.text = {.context_length = 10, .vocab_size = 40, .width = 16, .heads = 2, .layers = 2};
  config.loss.kind = LossKind::info_loob;
  config.retrieval = {.kind = RetrievalKind::hopfield, .learn_beta = true};
  return config;
}

// In float64, so that sums in another order do not hide what is wrong. ResNets get weights that depend on
// their convolutions.
inline DualEncoder model_of(const RunConfig& config) {
  DualEncoder model(config.model, Initializer::drawn(1));
  model->set_inv_tau(7, /*learned=*/true);
  model->set_recompute(config.train.gradient_checkpointing);
  model->to(at::kDouble);
  if (config.optimizer.image.frozen) model->freeze_image();
  if (config.optimizer.text.frozen) model->freeze_text();
  model->train();
  at::manual_seed(5);
  const at::NoGradGuard no_grad;
  for (const auto& item : model->named_parameters()) {
    if (item.key().ends_with("bn3.weight")) item.value().detach().normal_(1.0, 0.3);
  }
  return model;
}

inline Batch batch_of(const RunConfig& config, std::int64_t size, std::uint64_t seed = 3) {
  at::manual_seed(seed);
  const std::int64_t side = config.model.image.image_size;
  Batch batch;
  batch.images_BCHW = at::randn({size, 3, side, side}, at::kDouble);
  batch.tokens_BL = at::randint(40, {size, 10}, at::kLong);
  batch.end_positions_B = at::randint(1, 10, {size}, at::kLong);
  batch.indices.resize(static_cast<std::size_t>(size));
  std::iota(batch.indices.begin(), batch.indices.end(), 0);
  return batch;
}

}  // namespace cloob::testing
