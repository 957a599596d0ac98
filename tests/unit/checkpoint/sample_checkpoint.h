#pragma once

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>

#include "cloob/checkpoint/checkpoint.h"
#include "support/support.h"

namespace cloob::testing {

/// A checkpoint of a few kilobytes in which every part depends on the step.
inline Checkpoint sample_checkpoint(std::int64_t step) {
  const auto value = static_cast<double>(step);
  Checkpoint checkpoint;
  checkpoint.weights = {{"logit_scale", at::full({}, value)},
                        {"visual.conv1.weight", at::full({8, 3, 2, 2}, value)},
                        {"token_embedding.weight", at::full({16, 8}, value)},
                        {"visual.bn1.num_batches_tracked", at::full({}, step, at::kLong)}};
  checkpoint.weights_metadata = {{"format", "pt"}};
  checkpoint.training = {{"optimizer.logit_scale.exp_avg", at::full({}, value / 2)},
                         {"rng.cpu", at::full({100}, step % 256, at::kByte)}};
  checkpoint.state = {.step = step,
                      .samples_seen = step * 32,
                      .bad_samples = step / 10,
                      .bad_samples_by_kind = {},
                      .data_position = step * 33,
                      .data_size = 1000,
                      .data_ranks = 1 + step % 2,
                      .evaluated_step = step,
                      .time_s = value * 0.1,
                      .metrics = {{"val/R@1", value / 1000}}};
  checkpoint.config_yaml = "train:\n  seed: " + std::to_string(step) + "\n";
  return checkpoint;
}

inline void expect_same_tensors(const NamedTensors& actual, const NamedTensors& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(actual.contains(name)) << name;
    EXPECT_EQ(actual.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(actual.at(name), tensor)) << name;
  }
}

/// Expects `actual` to be the complete sample checkpoint of its step.
inline void expect_is_sample(const Checkpoint& actual) {
  const Checkpoint expected = sample_checkpoint(actual.state.step);
  expect_same_tensors(actual.weights, expected.weights);
  expect_same_tensors(actual.training, expected.training);
  EXPECT_EQ(actual.weights_metadata, expected.weights_metadata);
  EXPECT_EQ(actual.config_yaml, expected.config_yaml);
  EXPECT_EQ(actual.state.samples_seen, expected.state.samples_seen);
  EXPECT_EQ(actual.state.bad_samples, expected.state.bad_samples);
  EXPECT_EQ(actual.state.bad_samples_by_kind, expected.state.bad_samples_by_kind);
  EXPECT_EQ(actual.state.data_position, expected.state.data_position);
  EXPECT_EQ(actual.state.data_size, expected.state.data_size);
  EXPECT_EQ(actual.state.data_ranks, expected.state.data_ranks);
  EXPECT_EQ(actual.state.evaluated_step, expected.state.evaluated_step);
  EXPECT_EQ(actual.state.time_s, expected.state.time_s);
  EXPECT_EQ(actual.state.metrics, expected.state.metrics);
}

}  // namespace cloob::testing
