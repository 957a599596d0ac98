#include "cloob/train/train_step.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "cloob/base/tensor_copies.h"
#include "cloob/model/weights.h"
#include "support/named_tensors.h"
#include "support/support.h"
#include "unit/train/tiny_training.h"

namespace cloob {
namespace {

using testing::batch_of;
using testing::config_of;
using testing::expect_same_bits;
using testing::model_of;

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

std::vector<double> losses_of(const RunConfig& config, const DualEncoder& model, const Batch& batch,
                              std::int64_t num_steps) {
  TrainStep train_step(config, model, at::kCPU);
  std::vector<double> losses;
  for (std::int64_t step = 0; step < num_steps; ++step)
    losses.push_back(train_step.run(batch, step, /*lr=*/1e-3).loss.item<double>());
  return losses;
}

TEST(TrainStep, LetsOtherWorkBeDoneBeforeTheWeightsChange) {
  const RunConfig config = config_of(ImageEncoderKind::vit);
  DualEncoder model = model_of(config);
  TrainStep train_step(config, model, at::kCPU);
  const at::Tensor weight = weights_of(model).at("text_projection"), before = weight.clone();
  int num_calls = 0;
  train_step.run(batch_of(config, 16), 0, /*lr=*/1e-3, [&] {
    ++num_calls;
    EXPECT_TRUE(weight.equal(before));
  });
  EXPECT_EQ(num_calls, 1);
  EXPECT_FALSE(weight.equal(before));
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

// Five parts of three pairs, as many as 6 or 7 parts can have, would leave one of 16 over.
TEST(TrainStep, InPartsOfAResNetNoPairIsLeftAlone) {
  RunConfig config = config_of(ImageEncoderKind::resnet);
  for (const std::int64_t parts : {3, 5, 6, 7, 8}) {
    config.train.gradient_cache_parts = parts;
    for (const auto& [name, buffer] : outcome_of(config).buffers)
      EXPECT_TRUE(buffer.isfinite().all().item<bool>()) << name;
  }
  config.train.gradient_cache_parts = 16;
  testing::expect_user_error([&] { outcome_of(config); }, {"train.gradient_cache_parts"});
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

TEST(TrainStep, LeavesAFrozenTowerAsItIs) {
  for (const bool image : {true, false}) {
    RunConfig config = config_of(image ? ImageEncoderKind::resnet : ImageEncoderKind::vit);
    (image ? config.optimizer.image : config.optimizer.text).frozen = true;
    DualEncoder model = model_of(config);
    const NamedTensors before = copies_of(weights_of(model));
    TrainStep train_step(config, model, at::kCPU);
    for (const std::int64_t step : {0, 1}) train_step.run(batch_of(config, 8), step, /*lr=*/1e-2);
    for (const auto& [name, tensor] : weights_of(model)) {
      const bool is_image = name.starts_with("visual.");
      const bool is_frozen = name != "logit_scale" && is_image == image;
      EXPECT_EQ(at::equal(tensor, before.at(name)), is_frozen) << name;
    }
  }
}

// The whole text tower is trained as if nothing were cached, in parts too.
TEST(TrainStep, WithCachedFeaturesTrainsTheSame) {
  for (const std::int64_t parts : {1, 4}) {
    RunConfig config = config_of(ImageEncoderKind::resnet);
    config.optimizer.image.frozen = true;
    config.train.gradient_cache_parts = parts;
    config.train.gradient_checkpointing = parts > 1;
    const auto weights_after = [&](bool cached) {
      config.train.cache_frozen_features = cached;
      DualEncoder model = model_of(config);
      TrainStep train_step(config, model, at::kCPU);
      for (const std::int64_t step : {0, 1, 2}) train_step.run(batch_of(config, 8), step, /*lr=*/1e-2);
      return copies_of(weights_of(model));
    };
    const NamedTensors plain = weights_after(false);
    for (const auto& [name, tensor] : weights_after(true))
      testing::expect_close(tensor, plain.at(name), 1e-6, 1e-8, name);
  }
}

TEST(TrainStep, WithASpikeGuardTakesNothingFromABadBatch) {
  RunConfig config = config_of(ImageEncoderKind::resnet);
  config.optimizer.spike_guard.enabled = true;
  DualEncoder model = model_of(config);
  TrainStep train_step(config, model, at::kCPU);
  const Batch good = batch_of(config, 8);
  EXPECT_EQ(train_step.run(good, 0, /*lr=*/1e-2).outcome, StepOutcome::taken);
  const NamedTensors before = copies_of(weights_of(model));
  NamedTensors state = copies_of(train_step.state());
  Batch bad = good;
  bad.images_BCHW = good.images_BCHW.clone();
  bad.images_BCHW[3].fill_(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(train_step.run(bad, 1, /*lr=*/1e-2).outcome, StepOutcome::skipped);
  expect_same_bits(weights_of(model), before);
  for (auto& [name, tensor] : train_step.state()) {
    if (name.starts_with("spike_guard.")) continue;
    EXPECT_TRUE(at::equal(tensor, state.at(name))) << name;
  }
  EXPECT_EQ(train_step.spike_guard()->skipped(), 1);
  EXPECT_EQ(train_step.run(good, 2, /*lr=*/1e-2).outcome, StepOutcome::taken);
}

TEST(TrainStep, EvaluatesAndHandsOutAveragedWeights) {
  RunConfig config = config_of(ImageEncoderKind::vit);
  config.optimizer.ema_decay = 0.9;
  DualEncoder model = model_of(config);
  TrainStep train_step(config, model, at::kCPU);
  NamedTensors expected = copies_of(weights_of(model));
  for (const std::int64_t step : {0, 1, 2}) {
    train_step.run(batch_of(config, 8), step, /*lr=*/1e-2);
    const double decay = (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step));
    for (const auto& [name, weight] : weights_of(model))
      expected.at(name) = expected.at(name) * decay + weight.detach() * (1 - decay);
  }
  const NamedTensors live = copies_of(weights_of(model));
  for (const auto& [name, tensor] : train_step.weights())
    testing::expect_close(tensor, expected.at(name), 1e-9, 1e-12, name);
  {
    const auto borrowed = train_step.use_weights_to_evaluate();
    expect_same_bits(weights_of(model), train_step.weights());
  }
  expect_same_bits(weights_of(model), live);

  // Resumed from what a checkpoint holds, it goes on the same.
  const NamedTensors saved = train_step.weights(), state = copies_of(train_step.state());
  DualEncoder other = model_of(config);
  TrainStep resumed(config, other, at::kCPU);
  resumed.load_state(saved, state);
  expect_same_bits(weights_of(other), live);
  for (TrainStep* step : {&train_step, &resumed}) step->run(batch_of(config, 8), 3, /*lr=*/1e-2);
  expect_same_bits(resumed.weights(), train_step.weights());
  // And without the average it goes on with the weights that were trained.
  config.optimizer.ema_decay.reset();
  DualEncoder third = model_of(config);
  TrainStep(config, third, at::kCPU).load_state(saved, state);
  expect_same_bits(weights_of(third), live);
}

DualEncoder float_model_of(const RunConfig& config) {
  DualEncoder model(config.model, Initializer::drawn(1));
  model->set_inv_tau(7, /*learned=*/true);
  if (config.train.precision == Precision::pure_bf16) model->store_matrices_as(at::kBFloat16);
  model->train();
  return model;
}

TEST(TrainStep, InPureBf16ComputesWhatAutocastDoes) {
  for (const ImageEncoderKind kind : {ImageEncoderKind::vit, ImageEncoderKind::resnet}) {
    RunConfig config = config_of(kind);
    Batch batch = batch_of(config, 16);
    batch.images_BCHW = batch.images_BCHW.to(at::kFloat);
    const auto losses = [&](Precision precision) {
      config.train.precision = precision;
      return losses_of(config, float_model_of(config), batch, 8);
    };
    const std::vector<double> autocast = losses(Precision::bf16), pure = losses(Precision::pure_bf16);
    EXPECT_EQ(pure[0], autocast[0]) << "the same rounded weights";
    EXPECT_NEAR(pure.back(), autocast.back(), 0.03 * std::abs(autocast.front() - autocast.back()) + 1e-3);
    EXPECT_LT(pure.back(), pure.front());
  }
}

TEST(TrainStep, InPureBf16SumsTheGradientsOfPartsInFloat32) {
  RunConfig config = config_of(ImageEncoderKind::vit);
  config.train.precision = Precision::pure_bf16;
  Batch batch = batch_of(config, 16);
  batch.images_BCHW = batch.images_BCHW.to(at::kFloat);
  const auto gradients = [&](std::int64_t parts) {
    config.train.gradient_cache_parts = parts;
    DualEncoder model = float_model_of(config);
    TrainStep(config, model, at::kCPU).run(batch, 0, /*lr=*/1e-3);
    NamedTensors all;
    for (const auto& item : model->named_parameters()) all.emplace(item.key(), item.value().grad());
    return all;
  };
  const NamedTensors whole = gradients(1), in_parts = gradients(8);
  EXPECT_EQ(in_parts.at("text_projection").scalar_type(), at::kFloat);
  for (const auto& [name, gradient] : whole)
    testing::expect_relative_norm(in_parts.at(name).to(at::kDouble), gradient.to(at::kDouble), 0.02, name);
}

TEST(TrainStep, InPureBf16StoresMatricesAlone) {
  RunConfig config = config_of(ImageEncoderKind::resnet);
  config.train.precision = Precision::pure_bf16;
  for (const auto& [name, tensor] : weights_of(float_model_of(config))) {
    const bool is_matrix = tensor.dim() >= 2 && name.find("embedding") == std::string::npos;
    EXPECT_EQ(tensor.scalar_type() == at::kBFloat16, is_matrix) << name;
  }
}

}  // namespace
}  // namespace cloob
