#include "cloob/train/train_step.h"

#include <ATen/ATen.h>

#include <numeric>

#include "cloob/model/weights.h"
#include "support/support.h"

namespace cloob {
namespace {

ImageEncoderConfig tiny_image(ImageEncoderKind kind) {
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

RunConfig config_of(ImageEncoderKind kind) {
  RunConfig config;
  config.model.embed_dim = 12;
  config.model.image = tiny_image(kind);
  config.model.text = {.context_length = 10, .vocab_size = 40, .width = 16, .heads = 2, .layers = 2};
  config.loss.kind = LossKind::info_loob;
  config.retrieval = {.kind = RetrievalKind::hopfield, .learn_beta = true};
  return config;
}

// In float64, so that sums in another order do not hide what is wrong. ResNets get weights that depend on
// their convolutions.
DualEncoder model_of(const RunConfig& config) {
  DualEncoder model(config.model, Initializer::drawn(1));
  model->set_inv_tau(7, /*learned=*/true);
  model->set_recompute(config.train.gradient_checkpointing);
  model->to(at::kDouble);
  model->train();
  at::manual_seed(5);
  const at::NoGradGuard no_grad;
  for (const auto& item : model->named_parameters()) {
    if (item.key().ends_with("bn3.weight")) item.value().detach().normal_(1.0, 0.3);
  }
  return model;
}

Batch batch_of(const RunConfig& config, std::int64_t size) {
  at::manual_seed(3);
  const std::int64_t side = config.model.image.image_size;
  Batch batch;
  batch.images_BCHW = at::randn({size, 3, side, side}, at::kDouble);
  batch.tokens_BL = at::randint(40, {size, 10}, at::kLong);
  batch.end_positions_B = at::randint(1, 10, {size}, at::kLong);
  batch.indices.resize(static_cast<std::size_t>(size));
  std::iota(batch.indices.begin(), batch.indices.end(), 0);
  return batch;
}

struct Outcome {
  double loss;
  NamedTensors gradients;
  NamedTensors buffers;
};

Outcome outcome_of(const RunConfig& config, std::int64_t size = 16) {
  DualEncoder model = model_of(config);
  TrainStep train_step(config, model, at::kCPU);
  const Batch batch = batch_of(config, size);
  at::manual_seed(11);
  Outcome outcome{train_step.run(batch, 0, /*lr=*/0).loss.item<double>(), {}, {}};
  for (const auto& item : model->named_parameters())
    outcome.gradients.emplace(item.key(), item.value().grad());
  for (const auto& [name, tensor] : train_step.objective().parameters())
    outcome.gradients.emplace(name, tensor.grad());
  for (const auto& item : model->named_buffers()) outcome.buffers.emplace(item.key(), item.value());
  return outcome;
}

void expect_same(const Outcome& actual, const Outcome& expected) {
  EXPECT_NEAR(actual.loss, expected.loss, 1e-10);
  ASSERT_EQ(actual.gradients.size(), expected.gradients.size());
  for (const auto& [name, gradient] : expected.gradients)
    testing::expect_close(actual.gradients.at(name), gradient, 1e-6, 1e-9, name);
  for (const auto& [name, buffer] : expected.buffers)
    testing::expect_close(actual.buffers.at(name), buffer, 1e-10, 1e-12, name);
}

TEST(TrainStep, InPartsHasTheGradientsOfOneBatch) {
  RunConfig config = config_of(ImageEncoderKind::vit);
  const Outcome whole = outcome_of(config);
  EXPECT_GT(whole.gradients.at("logit_scale").abs().item<double>(), 1e-4);
  EXPECT_GT(whole.gradients.at("log_beta").abs().item<double>(), 1e-6);
  for (const std::int64_t parts : {2, 3, 8, 100}) {
    config.train.gradient_cache_parts = parts;
    expect_same(outcome_of(config), whole);
  }
}

TEST(TrainStep, InPartsReplaysWhatIsDrawn) {
  RunConfig config = config_of(ImageEncoderKind::vit);
  config.model.image.patch_dropout = 0.5;
  config.train.gradient_cache_parts = 4;
  DualEncoder model = model_of(config);
  const Batch batch = batch_of(config, 16);
  TrainStep train_step(config, model, at::kCPU);
  at::manual_seed(11);
  train_step.run(batch, 0, 0);
  const double next_drawn = at::rand({}).item<double>();
  // The same parts in one graph.
  DualEncoder other = model_of(config);
  at::manual_seed(11);
  std::vector<at::Tensor> images, texts;
  for (std::int64_t first = 0; first < 16; first += 4) {
    images.push_back(other->encode_image(batch.images_BCHW.narrow(0, first, 4)));
    texts.push_back(
        other->encode_text(batch.tokens_BL.narrow(0, first, 4), batch.end_positions_B.narrow(0, first, 4)));
  }
  EXPECT_EQ(at::rand({}).item<double>(), next_drawn);
  const ContrastiveObjective objective(config.loss, config.retrieval, at::kCPU);
  objective.evaluate(at::cat(images), at::cat(texts), other->inv_tau(), SingleProcess(), 0).loss.backward();
  for (const auto& item : other->named_parameters()) {
    testing::expect_close(model->named_parameters()[item.key()].grad(), item.value().grad(), 1e-6, 1e-9,
                          item.key());
  }
}

TEST(TrainStep, InPartsOfAResNetTakesTheStatisticsOfEachPartOnce) {
  RunConfig config = config_of(ImageEncoderKind::resnet);
  config.train.gradient_cache_parts = 4;
  const Outcome actual = outcome_of(config);
  DualEncoder model = model_of(config);
  const Batch batch = batch_of(config, 16);
  std::vector<at::Tensor> images;
  for (std::int64_t first = 0; first < 16; first += 4)
    images.push_back(model->encode_image(batch.images_BCHW.narrow(0, first, 4)));
  const ContrastiveObjective objective(config.loss, config.retrieval, at::kCPU);
  objective
      .evaluate(at::cat(images), model->encode_text(batch.tokens_BL, batch.end_positions_B), model->inv_tau(),
                SingleProcess(), 0)
      .loss.backward();
  for (const auto& item : model->named_parameters())
    testing::expect_close(actual.gradients.at(item.key()), item.value().grad(), 1e-6, 1e-9, item.key());
  for (const auto& item : model->named_buffers())
    testing::expect_close(actual.buffers.at(item.key()), item.value(), 1e-10, 1e-12, item.key());
}

TEST(TrainStep, WithCheckpointingHasTheSameGradientsAndStatistics) {
  for (const ImageEncoderKind kind : {ImageEncoderKind::vit, ImageEncoderKind::resnet}) {
    for (const std::int64_t parts : {1, 4}) {
      RunConfig config = config_of(kind);
      if (kind == ImageEncoderKind::vit) config.model.image.patch_dropout = 0.25;
      config.train.gradient_cache_parts = parts;
      const Outcome kept = outcome_of(config);
      config.train.gradient_checkpointing = true;
      expect_same(outcome_of(config), kept);
    }
  }
}

}  // namespace
}  // namespace cloob
