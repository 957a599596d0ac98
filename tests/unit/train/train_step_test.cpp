#include "cloob/train/train_step.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "cloob/base/tensor_copies.h"
#include "cloob/model/weights.h"
#include "support/named_tensors.h"
#include "support/simulated_ranks.h"
#include "support/support.h"
#include "unit/train/tiny_training.h"

namespace cloob {
namespace {

using testing::batch_of;
using testing::config_of;
using testing::expect_same_bits;
using testing::model_of;
using testing::TinyTraining;

Batch with_a_nan(Batch batch) {
  batch.images_BCHW = batch.images_BCHW.clone();
  batch.images_BCHW[3].fill_(std::numeric_limits<double>::quiet_NaN());
  return batch;
}

struct Outcome {
  double loss;
  NamedTensors gradients;
  NamedTensors buffers;
};

Outcome outcome_of(const RunConfig& config, std::int64_t size = 16) {
  TinyTraining training(config);
  const Batch batch = batch_of(config, size);
  at::manual_seed(11);
  Outcome outcome{training.run(batch, 0, /*lr=*/0).loss.item<double>(), {}, {}};
  for (const auto& [name, parameter] : training.task.parameters())
    outcome.gradients.emplace(name, parameter.tensor.grad());
  for (const auto& item : training.model->named_buffers()) outcome.buffers.emplace(item.key(), item.value());
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

TEST(TrainStep, InPartsHasTheGradientsOfTheFullBatch) {
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
  TinyTraining training(config, model);
  std::vector<double> losses;
  for (std::int64_t step = 0; step < num_steps; ++step)
    losses.push_back(training.run(batch, step, /*lr=*/1e-3).loss.item<double>());
  return losses;
}

TEST(TrainStep, ChangesTheWeightsOnlyInUpdate) {
  const RunConfig config = config_of(ImageEncoderKind::vit);
  TinyTraining training(config);
  const NamedTensors before = copies_of(training.task.weights());
  training.step.forward_backward(batch_of(config, 16), 0);
  expect_same_bits(training.task.weights(), before);
  training.step.update(same_for_all(1e-3));
  EXPECT_FALSE(training.task.weights().at("text_projection").equal(before.at("text_projection")));
}

TEST(TrainStep, InPartsRepeatsRandomNumbers) {
  RunConfig config = config_of(ImageEncoderKind::vit);
  config.model.image.patch_dropout = 0.5;
  config.train.gradient_cache_parts = 4;
  TinyTraining training(config);
  const DualEncoder& model = training.model;
  const Batch batch = batch_of(config, 16);
  at::manual_seed(11);
  training.run(batch, 0, 0);
  const double next_random = at::rand({}).item<double>();
  // The same parts in one autograd graph.
  DualEncoder other = model_of(config);
  at::manual_seed(11);
  std::vector<at::Tensor> images, texts;
  for (std::int64_t first = 0; first < 16; first += 4) {
    images.push_back(other->encode_image(batch.images_BCHW.narrow(0, first, 4)));
    texts.push_back(
        other->encode_text(batch.tokens_BL.narrow(0, first, 4), batch.end_positions_B.narrow(0, first, 4)));
  }
  EXPECT_EQ(at::rand({}).item<double>(), next_random);
  const ContrastiveObjective objective(config.loss, config.retrieval, at::kCPU);
  objective.evaluate(at::cat(images), at::cat(texts), other->inv_tau()).backward();
  for (const auto& item : other->named_parameters()) {
    testing::expect_close(model->named_parameters()[item.key()].grad(), item.value().grad(), 1e-6, 1e-9,
                          item.key());
  }
}

TEST(TrainStep, InPartsUpdatesBatchNormStatisticsOncePerPart) {
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
      .evaluate(at::cat(images), model->encode_text(batch.tokens_BL, batch.end_positions_B), model->inv_tau())
      .backward();
  for (const auto& item : model->named_parameters())
    testing::expect_close(actual.gradients.at(item.key()), item.value().grad(), 1e-6, 1e-9, item.key());
  for (const auto& item : model->named_buffers())
    testing::expect_close(actual.buffers.at(item.key()), item.value(), 1e-10, 1e-12, item.key());
}

// With 3 = ceil(16 / 6) = ceil(16 / 7) pairs per part, a single pair would be left over.
TEST(TrainStep, InPartsNoBatchNormGetsASinglePair) {
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

TEST(TrainStep, DoesNotChangeAFrozenTower) {
  for (const bool image : {true, false}) {
    RunConfig config = config_of(image ? ImageEncoderKind::resnet : ImageEncoderKind::vit);
    (image ? config.optimizer.image : config.optimizer.text).frozen = true;
    DualEncoder model = model_of(config);
    const NamedTensors before = copies_of(weights_of(model));
    TinyTraining training(config, model);
    for (const std::int64_t step : {0, 1}) training.run(batch_of(config, 8), step, /*lr=*/1e-2);
    for (const auto& [name, tensor] : weights_of(model)) {
      const bool is_image = name.starts_with("visual.");
      const bool is_frozen = name != "logit_scale" && is_image == image;
      EXPECT_EQ(at::equal(tensor, before.at(name)), is_frozen) << name;
    }
  }
}

// The text tower is trained as if nothing were cached, also in parts.
TEST(TrainStep, WithCachedFeaturesTrainsTheSame) {
  for (const std::int64_t parts : {1, 4}) {
    RunConfig config = config_of(ImageEncoderKind::resnet);
    config.optimizer.image.frozen = true;
    config.train.gradient_cache_parts = parts;
    config.train.gradient_checkpointing = parts > 1;
    const auto weights_after = [&](bool cached) {
      config.train.cache_frozen_features = cached;
      DualEncoder model = model_of(config);
      TinyTraining training(config, model);
      for (const std::int64_t step : {0, 1, 2}) training.run(batch_of(config, 8), step, /*lr=*/1e-2);
      return copies_of(weights_of(model));
    };
    const NamedTensors plain = weights_after(false);
    for (const auto& [name, tensor] : weights_after(true))
      testing::expect_close(tensor, plain.at(name), 1e-6, 1e-8, name);
  }
}

TEST(TrainStep, WithASpikeGuardSkipsABadBatch) {
  RunConfig config = config_of(ImageEncoderKind::resnet);
  config.optimizer.spike_guard.enabled = true;
  TinyTraining training(config);
  const Batch good = batch_of(config, 8);
  EXPECT_FALSE(training.run(good, 0, /*lr=*/1e-2).is_skipped);
  const NamedTensors before = copies_of(weights_of(training.model));
  const NamedTensors state = copies_of(training.step.state());
  EXPECT_TRUE(training.run(with_a_nan(good), 1, /*lr=*/1e-2).is_skipped);
  expect_same_bits(weights_of(training.model), before);
  for (auto& [name, tensor] : training.step.state()) {
    if (name.starts_with("spike_guard.")) continue;
    EXPECT_TRUE(at::equal(tensor, state.at(name))) << name;
  }
  EXPECT_EQ(training.step.spike_guard()->skipped(), 1);
  EXPECT_FALSE(training.run(good, 2, /*lr=*/1e-2).is_skipped);
}

TEST(TrainStep, WithoutASpikeGuardABadBatchEndsTheRun) {
  RunConfig config = config_of(ImageEncoderKind::vit);
  config.optimizer.ema_decay = 0.9;
  TinyTraining training(config);
  const Batch good = batch_of(config, 8);
  training.run(good, 0, /*lr=*/1e-2);
  const NamedTensors weights = copies_of(training.task.weights()), state = copies_of(training.step.state());
  testing::expect_user_error([&] { training.run(with_a_nan(good), 1, /*lr=*/1e-2); },
                             {"step 2", "unstable", "left as they were"});
  expect_same_bits(training.task.weights(), weights);
  expect_same_bits(copies_of(training.step.state()), state);
}

TEST(TrainStep, EvaluatesAndSavesAveragedWeights) {
  RunConfig config = config_of(ImageEncoderKind::vit);
  config.optimizer.ema_decay = 0.9;
  TinyTraining training(config);
  const DualEncoder& model = training.model;
  NamedTensors expected = copies_of(weights_of(model));
  for (const std::int64_t step : {0, 1, 2}) {
    training.run(batch_of(config, 8), step, /*lr=*/1e-2);
    const double decay = (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step));
    for (const auto& [name, weight] : weights_of(model))
      expected.at(name) = expected.at(name) * decay + weight.detach() * (1 - decay);
  }
  const NamedTensors live = copies_of(weights_of(model));
  for (const auto& [name, tensor] : training.step.weights())
    testing::expect_close(tensor, expected.at(name), 1e-9, 1e-12, name);
  {
    const auto borrowed = training.step.use_weights_to_evaluate();
    expect_same_bits(weights_of(model), training.step.weights());
  }
  expect_same_bits(weights_of(model), live);

  // Resuming from the state in a checkpoint continues identically.
  const NamedTensors saved = training.step.weights(), state = copies_of(training.step.state());
  TinyTraining resumed(config);
  resumed.step.load_state(saved, state);
  expect_same_bits(weights_of(resumed.model), live);
  for (TinyTraining* each : {&training, &resumed}) each->run(batch_of(config, 8), 3, /*lr=*/1e-2);
  expect_same_bits(resumed.step.weights(), training.step.weights());
  // Without the average it continues from the live weights.
  config.optimizer.ema_decay.reset();
  TinyTraining third(config);
  third.step.load_state(saved, state);
  expect_same_bits(weights_of(third.model), live);
}

DualEncoder float_model_of(const RunConfig& config) {
  DualEncoder model(config.model, Initializer::random(1));
  model->set_inv_tau(7, /*learned=*/true);
  if (config.train.precision == Precision::pure_bf16) model->store_matrices_as(at::kBFloat16);
  model->train();
  return model;
}

TEST(TrainStep, InPureBf16ComputesLikeAutocast) {
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
    TinyTraining(config, model).run(batch, 0, /*lr=*/1e-3);
    NamedTensors all;
    for (const auto& item : model->named_parameters()) all.emplace(item.key(), item.value().grad());
    return all;
  };
  const NamedTensors whole = gradients(1), in_parts = gradients(8);
  EXPECT_EQ(in_parts.at("text_projection").scalar_type(), at::kFloat);
  for (const auto& [name, gradient] : whole)
    testing::expect_relative_norm(in_parts.at(name).to(at::kDouble), gradient.to(at::kDouble), 0.02, name);
}

TEST(TrainStep, InPureBf16StoresOnlyMatricesInBf16) {
  RunConfig config = config_of(ImageEncoderKind::resnet);
  config.train.precision = Precision::pure_bf16;
  for (const auto& [name, tensor] : weights_of(float_model_of(config))) {
    const bool is_matrix = tensor.dim() >= 2 && name.find("embedding") == std::string::npos;
    EXPECT_EQ(tensor.scalar_type() == at::kBFloat16, is_matrix) << name;
  }
}

/// Counts how often this thread reads a value of a tensor on the host during the lifetime of the object. The CPU's
/// fused AdamW, which reads its step counts, is left out: the kernel of a GPU reads them on the device.
class HostReads {
 public:
  HostReads() : handle_(at::addThreadLocalCallback(callback())) { count() = 0; }
  ~HostReads() { at::removeCallback(handle_); }
  HostReads(const HostReads&) = delete;
  HostReads& operator=(const HostReads&) = delete;

  static int& count() {
    static thread_local int count = 0;
    return count;
  }

 private:
  static bool is_fused_adamw(const at::RecordFunction& function) {
    return std::string_view(function.name()) == "aten::_fused_adamw_";
  }
  static bool& in_fused_adamw() {
    static thread_local bool is_inside = false;
    return is_inside;
  }
  static at::RecordFunctionCallback callback() {
    return at::RecordFunctionCallback(
               [](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
                 if (is_fused_adamw(function)) in_fused_adamw() = true;
                 if (std::string_view(function.name()) == "aten::_local_scalar_dense" && !in_fused_adamw())
                   ++count();
                 return nullptr;
               },
               [](const at::RecordFunction& function, at::ObserverContext*) {
                 if (is_fused_adamw(function)) in_fused_adamw() = false;
               })
        .scopes({at::RecordScope::FUNCTION});
  }
  at::CallbackHandle handle_;
};

// On a GPU each read would synchronize with the device.
TEST(TrainStep, ReadsNoValuesOnTheHost) {
  struct Case {
    Precision precision;
    bool has_guard;
  };
  for (const auto& [precision, has_guard] :
       {Case{Precision::fp32, false}, Case{Precision::bf16, false}, Case{Precision::pure_bf16, false},
        Case{Precision::fp16, false}, Case{Precision::fp32, true}, Case{Precision::fp16, true}}) {
    for (const ImageEncoderKind kind : {ImageEncoderKind::vit, ImageEncoderKind::resnet}) {
      RunConfig config = config_of(kind);
      config.train.precision = precision;
      config.optimizer.spike_guard.enabled = has_guard;
      config.optimizer.ema_decay = 0.9;
      config.optimizer.grad_clip_norm = 1;
      TinyTraining training(config, float_model_of(config));
      Batch batch = batch_of(config, 16);
      batch.images_BCHW = batch.images_BCHW.to(at::kFloat);
      training.run(batch, 0, 1e-3);
      const HostReads reads;
      for (std::int64_t step = 1; step <= 10; ++step) training.run(batch, step, 1e-3);
      EXPECT_EQ(HostReads::count(), 0) << enum_name(precision) << (has_guard ? " with a spike guard" : "");
    }
  }
}

TEST(TrainStep, HostReadsAreCounted) {
  const HostReads reads;
  at::ones({2}).sum().item<float>();
  EXPECT_EQ(HostReads::count(), 1);
}

// Each rank has a part of the batch, one of them an empty one.
// Trains three steps on as many ranks as there are models, each with the rows [begins[rank], begins[rank + 1])
// of every batch. Returns the state of each rank.
std::vector<NamedTensors> train_on_ranks(const RunConfig& config, const std::vector<DualEncoder>& models,
                                         const std::vector<Batch>& batches,
                                         const std::vector<std::int64_t>& begins) {
  std::vector<NamedTensors> states(models.size());
  testing::run_ranks(std::ssize(models), [&](const Collectives& collectives) {
    const auto rank = static_cast<std::size_t>(collectives.rank());
    ContrastiveTask task(models[rank], ContrastiveObjective(config.loss, config.retrieval, at::kCPU),
                         {.logit_scale_bounds = logit_scale_bounds(1, 100, config.reference),
                          .fixed_inv_tau = std::nullopt,
                          .image_is_frozen = config.optimizer.image.frozen,
                          .text_is_frozen = config.optimizer.text.frozen},
                         collectives, at::kCPU);
    TrainStep train_step(config, task, collectives, at::kCPU);
    for (std::size_t step = 0; step < batches.size(); ++step) {
      train_step.forward_backward(testing::rows_of(batches[step], begins[rank], begins[rank + 1]),
                                  static_cast<std::int64_t>(step));
      train_step.update(same_for_all(1e-3));
    }
    states[rank] = copies_of(train_step.state());
  });
  return states;
}

std::vector<Batch> three_batches(const RunConfig& config) {
  return {batch_of(config, 12, 0), batch_of(config, 12, 1), batch_of(config, 12, 2)};
}

void expect_uneven_ranks_to_train_like_one_process(const RunConfig& config) {
  const std::vector<Batch> batches = three_batches(config);
  TinyTraining whole(config);
  for (std::size_t step = 0; step < batches.size(); ++step)
    whole.run(batches[step], static_cast<std::int64_t>(step), /*lr=*/1e-3);
  for (const std::vector<std::int64_t>& begins :
       std::vector<std::vector<std::int64_t>>{{0, 5, 12}, {0, 7, 7, 12}}) {
    std::vector<DualEncoder> models;
    for (std::size_t rank = 0; rank + 1 < begins.size(); ++rank) models.push_back(model_of(config));
    train_on_ranks(config, models, batches, begins);
    for (const DualEncoder& model : models) {
      for (const auto& [name, tensor] : weights_of(model))
        testing::expect_close(tensor, weights_of(whole.model).at(name), 1e-7, 1e-9, name);
    }
  }
}

TEST(TrainStep, OnUnevenRanksTrainsLikeOneProcess) {
  expect_uneven_ranks_to_train_like_one_process(config_of(ImageEncoderKind::vit));
}

// A rank without rows must make the same collective calls, also in the backward pass.
TEST(TrainStep, OnUnevenRanksWithAFrozenTowerTrainsLikeOneProcess) {
  for (const std::int64_t parts : {1, 2}) {
    RunConfig config = config_of(ImageEncoderKind::vit);
    config.train.gradient_cache_parts = parts;
    config.optimizer.image.frozen = true;
    expect_uneven_ranks_to_train_like_one_process(config);
  }
}

TEST(TrainStep, InPureBf16AllRanksHaveTheSameWeights) {
  RunConfig config = config_of(ImageEncoderKind::vit);
  config.train.precision = Precision::pure_bf16;
  std::vector<Batch> batches = three_batches(config);
  for (Batch& batch : batches) batch.images_BCHW = batch.images_BCHW.to(at::kFloat);
  for (const std::int64_t parts : {1, 2}) {
    config.train.gradient_cache_parts = parts;
    const std::vector<DualEncoder> models = {float_model_of(config), float_model_of(config),
                                             float_model_of(config)};
    const std::vector<NamedTensors> states = train_on_ranks(config, models, batches, {0, 7, 7, 12});
    expect_same_bits(states[1], states[0]);  // with the master copies of the weights
    expect_same_bits(states[2], states[0]);
  }
}

}  // namespace
}  // namespace cloob
