#include "cloob/model/training_memory.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cloob/model/infer_config.h"
#include "cloob/model/weights.h"
#include "tiny_models.h"

namespace cloob {
namespace {

// The estimate counts layers independently of the parameters that the model registers.
TEST(TrainingMemory, CountsEveryParameterOfTheModel) {
  constexpr std::int64_t kLogitScale = 1;
  for (const ModelConfig& config :
       {testing::tiny_resnet(), testing::tiny_vit(), testing::tiny_slip(), ModelConfig()}) {
    const std::int64_t bytes = 4 * (count_parameters(config).total - kLogitScale);
    const TrainingMemory memory =
        estimate_training_memory(config, {.batch_size = 4, .precision = Precision::fp32});
    EXPECT_EQ(memory.weights, bytes);
    EXPECT_EQ(memory.gradients, bytes);
    EXPECT_EQ(memory.optimizer_state, 2 * bytes);
  }
}

TEST(TrainingMemory, OnlyActivationsGrowWithTheBatch) {
  const TrainingMemory small =
      estimate_training_memory(testing::tiny_vit(), {.batch_size = 4, .precision = Precision::fp32});
  const TrainingMemory large =
      estimate_training_memory(testing::tiny_vit(), {.batch_size = 12, .precision = Precision::fp32});
  EXPECT_EQ(large.activations, 3 * small.activations);
  EXPECT_EQ(large.weights, small.weights);
  EXPECT_GE(large.peak, small.peak + large.activations - small.activations);
}

TEST(TrainingMemory, AutocastTradesCastCopiesOfWeightsForSmallerActivations) {
  for (const ModelConfig& config : {testing::tiny_resnet(), testing::tiny_vit()}) {
    const TrainingMemory fp32 =
        estimate_training_memory(config, {.batch_size = 4, .precision = Precision::fp32});
    const TrainingMemory bf16 =
        estimate_training_memory(config, {.batch_size = 4, .precision = Precision::bf16});
    EXPECT_GT(bf16.weights, fp32.weights);
    EXPECT_LE(bf16.weights, fp32.weights + fp32.weights / 2);
    EXPECT_LT(bf16.activations, fp32.activations);
    EXPECT_GE(bf16.activations, fp32.activations / 2);
    EXPECT_EQ(bf16.gradients, fp32.gradients);
  }
}

TEST(TrainingMemory, ThePeakIncludesEverythingResidentDuringTheStep) {
  const TrainingMemory memory =
      estimate_training_memory(testing::tiny_resnet(), {.batch_size = 4, .precision = Precision::fp32});
  const std::int64_t resident =
      memory.process + memory.weights + memory.optimizer_state + memory.fragmentation;
  EXPECT_GE(memory.peak, resident + std::max(memory.gradients, memory.activations));
  EXPECT_LE(memory.peak, resident + memory.gradients + 2 * memory.activations);
}

TEST(TrainingMemory, PureBf16HasMasterCopiesInsteadOfCastCopies) {
  for (const ModelConfig& config : {testing::tiny_resnet(), testing::tiny_vit()}) {
    const auto of = [&](Precision precision) {
      return estimate_training_memory(config, {.batch_size = 4, .precision = precision});
    };
    const TrainingMemory fp32 = of(Precision::fp32), cast = of(Precision::bf16),
                         pure = of(Precision::pure_bf16);
    EXPECT_LT(pure.weights, fp32.weights);
    EXPECT_EQ(pure.weights, pure.gradients);
    EXPECT_EQ(pure.activations, cast.activations);
    EXPECT_EQ(pure.weights + pure.optimizer_state, cast.weights + cast.optimizer_state)
        << "a bf16 weight with its master takes as much as an fp32 weight with its bf16 copy";
  }
}

TEST(TrainingMemory, DroppedPatchesTakeNone) {
  ModelConfig config = testing::tiny_vit();
  const TrainingMemory all = estimate_training_memory(config, {.batch_size = 32});
  config.image.patch_dropout = 0.75;  // 2 of 9 remain
  const TrainingMemory few = estimate_training_memory(config, {.batch_size = 32});
  EXPECT_LT(few.activations, all.activations);
  EXPECT_EQ(few.weights, all.weights);
}

TEST(TrainingMemory, PartsAndCheckpointingSaveActivations) {
  for (const ModelConfig& config : {testing::tiny_resnet(), testing::tiny_vit()}) {
    const TrainingMemory whole = estimate_training_memory(config, {.batch_size = 32});
    const TrainingMemory parts = estimate_training_memory(config, {.batch_size = 32, .parts = 8});
    const TrainingMemory checkpointed =
        estimate_training_memory(config, {.batch_size = 32, .gradient_checkpointing = true});
    EXPECT_EQ(parts.activations, estimate_training_memory(config, {.batch_size = 4}).activations);
    EXPECT_LT(parts.peak, whole.peak);
    EXPECT_LT(checkpointed.activations, whole.activations);
    EXPECT_LT(checkpointed.peak, whole.peak);
    EXPECT_EQ(checkpointed.weights, whole.weights);
  }
}

TEST(TrainingMemory, AFrozenTowerNeedsOnlyItsWeights) {
  for (const ModelConfig& config : {testing::tiny_resnet(), testing::tiny_vit()}) {
    const TrainingMemory both = estimate_training_memory(config, {.batch_size = 8});
    const TrainingMemory text = estimate_training_memory(config, {.batch_size = 8, .image_is_frozen = true});
    const TrainingMemory image = estimate_training_memory(config, {.batch_size = 8, .text_is_frozen = true});
    EXPECT_EQ(text.weights, both.weights);
    EXPECT_EQ(text.gradients + image.gradients, both.gradients);
    EXPECT_EQ(text.activations + image.activations, both.activations);
    EXPECT_EQ(text.optimizer_state + image.optimizer_state, both.optimizer_state);
    const TrainingMemory averaged = estimate_training_memory(config, {.batch_size = 8, .has_average = true});
    EXPECT_EQ(averaged.optimizer_state, both.optimizer_state + both.weights);
  }
}

}  // namespace
}  // namespace cloob
