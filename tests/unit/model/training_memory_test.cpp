#include "cloob/model/training_memory.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cloob/model/weights.h"
#include "tiny_models.h"

namespace cloob {
namespace {

// The layers that the estimate is made of are counted apart from those that the model registers.
TEST(TrainingMemory, CountsEveryParameterOfTheModel) {
  constexpr std::int64_t kLogitScale = 1;
  for (const ModelConfig& config : {testing::tiny_resnet(), testing::tiny_vit(), ModelConfig()}) {
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

TEST(TrainingMemory, AutocastTradesNarrowCopiesOfWeightsForSmallerActivations) {
  for (const ModelConfig& config : {testing::tiny_resnet(), testing::tiny_vit()}) {
    const TrainingMemory wide =
        estimate_training_memory(config, {.batch_size = 4, .precision = Precision::fp32});
    const TrainingMemory narrow =
        estimate_training_memory(config, {.batch_size = 4, .precision = Precision::bf16});
    EXPECT_GT(narrow.weights, wide.weights);
    EXPECT_LE(narrow.weights, wide.weights + wide.weights / 2);
    EXPECT_LT(narrow.activations, wide.activations);
    EXPECT_GE(narrow.activations, wide.activations / 2);
    EXPECT_EQ(narrow.gradients, wide.gradients);
  }
}

TEST(TrainingMemory, ThePeakHoldsWhatLivesThroughTheStep) {
  const TrainingMemory memory =
      estimate_training_memory(testing::tiny_resnet(), {.batch_size = 4, .precision = Precision::fp32});
  const std::int64_t resident =
      memory.process + memory.weights + memory.optimizer_state + memory.fragmentation;
  EXPECT_GE(memory.peak, resident + std::max(memory.gradients, memory.activations));
  EXPECT_LE(memory.peak, resident + memory.gradients + 2 * memory.activations);
}

TEST(TrainingMemory, PureBf16HasNoCopiesButMasters) {
  for (const ModelConfig& config : {testing::tiny_resnet(), testing::tiny_vit()}) {
    const auto of = [&](Precision precision) {
      return estimate_training_memory(config, {.batch_size = 4, .precision = precision});
    };
    const TrainingMemory wide = of(Precision::fp32), cast = of(Precision::bf16),
                         pure = of(Precision::pure_bf16);
    EXPECT_LT(pure.weights, wide.weights);
    EXPECT_EQ(pure.weights, pure.gradients);
    EXPECT_EQ(pure.activations, cast.activations);
    EXPECT_EQ(pure.weights + pure.optimizer_state, cast.weights + cast.optimizer_state)
        << "a narrow weight with its master takes what a wide weight with its narrow copy does";
  }
}

TEST(TrainingMemory, PatchesThatAreDroppedTakeNone) {
  ModelConfig config = testing::tiny_vit();
  const TrainingMemory all = estimate_training_memory(config, {.batch_size = 32});
  config.image.patch_dropout = 0.75;  // 2 of 9 are left
  const TrainingMemory few = estimate_training_memory(config, {.batch_size = 32});
  EXPECT_LT(few.activations, all.activations);
  EXPECT_EQ(few.weights, all.weights);
}

TEST(TrainingMemory, PartsAndRecomputingSaveActivations) {
  for (const ModelConfig& config : {testing::tiny_resnet(), testing::tiny_vit()}) {
    const TrainingMemory whole = estimate_training_memory(config, {.batch_size = 32});
    const TrainingMemory parts = estimate_training_memory(config, {.batch_size = 32, .parts = 8});
    const TrainingMemory again = estimate_training_memory(config, {.batch_size = 32, .recompute = true});
    EXPECT_EQ(parts.activations, estimate_training_memory(config, {.batch_size = 4}).activations);
    EXPECT_LT(parts.peak, whole.peak);
    EXPECT_LT(again.activations, whole.activations);
    EXPECT_LT(again.peak, whole.peak);
    EXPECT_EQ(again.weights, whole.weights);
  }
}

TEST(TrainingMemory, AFrozenTowerNeedsItsWeightsAlone) {
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
