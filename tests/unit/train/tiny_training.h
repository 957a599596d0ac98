// Minimal models, settings and batches for testing training.
#pragma once

#include <ATen/ATen.h>

#include <numeric>

#include "cloob/data/loader/batch.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/run/run_config.h"
#include "cloob/task/contrastive_task.h"
#include "cloob/train/train_step.h"

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

// In float64, so that a different order of summation does not hide errors. The residual branches of ResNets
// get nonzero gains, so that their convolutions matter.
inline DualEncoder model_of(const RunConfig& config) {
  DualEncoder model(config.model, Initializer::random(1));
  model->set_inv_tau(7, /*learned=*/true);
  // Features start alike, with logits of 7 + bias: near the best ones for a few pairs, so that pushes and pulls cancel.
  if (config.loss.kind == LossKind::sigmoid) model->add_logit_bias(-9.4);
  model->set_gradient_checkpointing(config.train.gradient_checkpointing);
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

/// Rows [first, end) of a batch.
inline Batch rows_of(const Batch& batch, std::int64_t first, std::int64_t end) {
  Batch rows = batch;
  rows.images_BCHW = batch.images_BCHW.slice(0, first, end);
  rows.tokens_BL = batch.tokens_BL.slice(0, first, end);
  rows.end_positions_B = batch.end_positions_B.slice(0, first, end);
  rows.indices.assign(batch.indices.begin() + first, batch.indices.begin() + end);
  return rows;
}

/// A contrastive task for a model, with its training step.
struct TinyTraining {
  /// `trained` must be on `device`.
  TinyTraining(const RunConfig& config, DualEncoder trained, c10::Device device = at::kCPU)
      : model(std::move(trained)),
        task(model, ContrastiveObjective(config.loss, config.retrieval, device),
             {.logit_scale_bounds = logit_scale_bounds(1, 100, config.reference),
              .fixed_inv_tau = std::nullopt,
              .image_is_frozen = config.optimizer.image.frozen,
              .text_is_frozen = config.optimizer.text.frozen,
              .caches_frozen_features = config.train.cache_frozen_features},
             collectives, device),
        step(config, task, collectives, device) {}
  explicit TinyTraining(const RunConfig& config) : TinyTraining(config, model_of(config)) {}

  StepReport run(const Batch& batch, std::int64_t number, double lr) {
    step.forward_backward(batch, number);
    return step.update(same_for_all(lr));
  }

  SingleProcess collectives;
  DualEncoder model;
  ContrastiveTask task;
  TrainStep step;
};

}  // namespace cloob::testing
