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
    const TrainingMemory memory = estimate_training_memory(config, 4, Precision::fp32);
    EXPECT_EQ(memory.weights, bytes);
    EXPECT_EQ(memory.gradients, bytes);
    EXPECT_EQ(memory.optimizer_state, 2 * bytes);
  }
}

TEST(TrainingMemory, OnlyActivationsGrowWithTheBatch) {
  const TrainingMemory small = estimate_training_memory(testing::tiny_vit(), 4, Precision::fp32);
  const TrainingMemory large = estimate_training_memory(testing::tiny_vit(), 12, Precision::fp32);
  EXPECT_EQ(large.activations, 3 * small.activations);
  EXPECT_EQ(large.weights, small.weights);
  EXPECT_GE(large.peak, small.peak + large.activations - small.activations);
}

TEST(TrainingMemory, AutocastTradesNarrowCopiesOfWeightsForSmallerActivations) {
  for (const ModelConfig& config : {testing::tiny_resnet(), testing::tiny_vit()}) {
    const TrainingMemory wide = estimate_training_memory(config, 4, Precision::fp32);
    const TrainingMemory narrow = estimate_training_memory(config, 4, Precision::bf16);
    EXPECT_GT(narrow.weights, wide.weights);
    EXPECT_LE(narrow.weights, wide.weights + wide.weights / 2);
    EXPECT_LT(narrow.activations, wide.activations);
    EXPECT_GE(narrow.activations, wide.activations / 2);
    EXPECT_EQ(narrow.gradients, wide.gradients);
  }
}

TEST(TrainingMemory, ThePeakHoldsWhatLivesThroughTheStep) {
  const TrainingMemory memory = estimate_training_memory(testing::tiny_resnet(), 4, Precision::fp32);
  const std::int64_t resident =
      memory.process + memory.weights + memory.optimizer_state + memory.fragmentation;
  EXPECT_GE(memory.peak, resident + std::max(memory.gradients, memory.activations));
  EXPECT_LE(memory.peak, resident + memory.gradients + 2 * memory.activations);
}

}  // namespace
}  // namespace cloob
