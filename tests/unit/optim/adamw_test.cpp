#include "cloob/optim/adamw.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "cloob/base/tensor_copies.h"
#include "cloob/checkpoint/safetensors.h"
#include "support/named_tensors.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::expect_user_error;

at::Tensor leaf(at::IntArrayRef shape, double value) { return at::full(shape, value).requires_grad_(); }

void set_gradients(const NamedTensors& parameters, std::uint64_t seed) {
  at::manual_seed(seed);
  for (const auto& [name, parameter] : parameters)
    parameter.mutable_grad() = at::randn_like(parameter.detach());
}

NamedTensors small_model() {
  return {{"visual.conv1.weight", leaf({4, 3, 3, 3}, 0.1)},
          {"visual.bn1.weight", leaf({4}, 1.0)},
          {"text_projection", leaf({3, 5}, -0.2)},
          {"logit_scale", leaf({}, 2.6)}};
}

void train(AdamW& optimizer, std::uint64_t first_step, std::uint64_t end_step) {
  for (std::uint64_t step = first_step; step < end_step; ++step) {
    set_gradients(optimizer.parameters(), step);
    optimizer.step(1e-2);
  }
}

TEST(AdamW, FirstStepIsTheSignOfTheGradientAndDecay) {
  const at::Tensor weight = leaf({2, 1}, 1.0), gain = leaf({2}, 1.0);
  for (const at::Tensor& parameter : {weight, gain}) {
    parameter.mutable_grad() = at::tensor({0.3F, -5.0F}).reshape(parameter.sizes());
  }
  AdamW optimizer({{"weight", weight}, {"gain", gain}}, {.weight_decay = 0.5}, Reference::open_clip);
  optimizer.step(0.1);
  expect_close(gain, at::tensor({0.9F, 1.1F}), 1e-6, 0);
  // 1 - lr * weight_decay = 0.95 before the step itself
  expect_close(weight.flatten(), at::tensor({0.85F, 1.05F}), 1e-6, 0);
}

TEST(AdamW, ResumedGoesOnBitForBit) {
  NamedTensors straight_model = small_model();
  AdamW straight(straight_model, {}, Reference::open_clip);
  train(straight, 0, 3);
  const testing::TempDir folder;
  write_safetensors(folder / "state.safetensors", straight.state(), {});
  const NamedTensors weights = copies_of(straight_model);
  train(straight, 3, 6);

  const NamedTensors resumed_model = small_model();
  {
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : resumed_model) tensor.copy_(weights.at(name));
  }
  AdamW resumed(resumed_model, {}, Reference::open_clip);
  resumed.load_state(read_safetensors(folder / "state.safetensors").tensors);
  train(resumed, 3, 6);
  expect_same_bits(resumed_model, straight_model);
  expect_same_bits(resumed.state(), straight.state());
}

TEST(AdamW, LeavesParametersWithoutGradientAlone) {
  const NamedTensors model = small_model();
  AdamW optimizer(model, {}, Reference::open_clip);
  train(optimizer, 0, 1);
  const NamedTensors weights = copies_of(model), state = copies_of(optimizer.state());
  optimizer.zero_grad();
  optimizer.step(1e-2);
  expect_same_bits(model, weights);
  expect_same_bits(optimizer.state(), state);
}

TEST(AdamW, WithALearningRateOfZeroOnlyGathersStatistics) {
  const NamedTensors model = small_model();
  const NamedTensors weights = copies_of(model);
  AdamW optimizer(model, {}, Reference::open_clip);
  set_gradients(model, 1);
  optimizer.step(0.0);
  expect_same_bits(model, weights);
  EXPECT_EQ(optimizer.state().at("text_projection.step").item<float>(), 1);
  EXPECT_GT(optimizer.state().at("text_projection.exp_avg").norm().item<float>(), 0);
}

TEST(AdamW, ReadsGradientsOfAnyMemoryLayout) {
  const at::Tensor plain = leaf({3, 4}, 1.0), other = leaf({3, 4}, 1.0);
  const at::Tensor gradient = at::arange(12).reshape({3, 4}).to(at::kFloat) - 5;
  plain.mutable_grad() = gradient;
  other.mutable_grad() = gradient.t().contiguous().t();
  AdamW optimizer({{"plain", plain}, {"other", other}}, {}, Reference::open_clip);
  optimizer.step(1e-2);
  EXPECT_TRUE(at::equal(plain, other));
}

TEST(AdamW, GivesTowersAndLayersTheirPartOfTheLearningRate) {
  const at::Tensor near = leaf({2, 2}, 1.0), far = leaf({2, 2}, 1.0);
  for (const at::Tensor& parameter : {near, far}) parameter.mutable_grad() = at::ones({2, 2});
  OptimizerConfig config{.lr = 0.1, .weight_decay = 0};
  config.text.layer_decay = 0.5;
  AdamW optimizer({{"text_projection", near}, {"token_embedding.weight", far}}, config, Reference::open_clip);
  optimizer.step(0.1);
  expect_close(near, at::full({2, 2}, 0.9), 1e-6, 0);
  expect_close(far, at::full({2, 2}, 0.95), 1e-6, 0);
}

TEST(AdamW, UpdatesAFloat32CopyOfANarrowParameter) {
  const at::Tensor narrow = at::ones({2, 2}, at::kBFloat16).requires_grad_();
  const NamedTensors model{{"text_projection", narrow}};
  AdamW optimizer(model, {.weight_decay = 0}, Reference::open_clip);
  // Each update is a hundredth of the distance to the next number of bf16 below 1.
  const double lr = 0.01 / 256;
  for (int step = 0; step < 40; ++step) {
    narrow.mutable_grad() = at::full({2, 2}, 0.25, at::kBFloat16);
    optimizer.step(lr);
  }
  EXPECT_TRUE(at::equal(narrow.detach(), at::ones({2, 2}, at::kBFloat16)));
  const NamedTensors saved = copies_of(optimizer.state());
  const auto go_on = [&](AdamW& adamw, const at::Tensor& parameter) {
    for (int step = 0; step < 40; ++step) {
      parameter.mutable_grad() = at::full({2, 2}, 0.25, at::kBFloat16);
      adamw.step(lr);
    }
  };
  go_on(optimizer, narrow);
  EXPECT_EQ(narrow[0][0].item<float>(), 1 - 1.0F / 256) << "the updates have added up";
  expect_close(optimizer.state().at("text_projection.master"), at::full({2, 2}, 1 - 80 * lr), 1e-5, 0);

  const at::Tensor other = at::ones({2, 2}, at::kBFloat16).requires_grad_();
  AdamW resumed({{"text_projection", other}}, {.weight_decay = 0}, Reference::open_clip);
  resumed.load_state(saved);
  go_on(resumed, other);
  expect_same_bits(resumed.state(), optimizer.state());
  EXPECT_TRUE(at::equal(other, narrow));
}

TEST(AdamW, LeavesFrozenParametersOut) {
  NamedTensors model = small_model();
  model["logit_scale"] = at::full({}, 3.4);
  const AdamW optimizer(model, {}, Reference::open_clip);
  EXPECT_EQ(optimizer.parameters().count("logit_scale"), 0U);
  EXPECT_EQ(optimizer.state().size(), 9U);
}

TEST(AdamW, WithNothingToTrainIsAUsersError) {
  expect_user_error(
      [] {
        AdamW({{"visual.proj", at::ones({2})}}, {}, Reference::open_clip);
      },
      {"nothing to train"});
  expect_user_error([] { AdamW({}, {}, Reference::open_clip); }, {"nothing to train"});
}

TEST(AdamW, SaysWhatDoesNotFitInASavedState) {
  AdamW optimizer(small_model(), {}, Reference::open_clip);
  NamedTensors lacking = copies_of(optimizer.state());
  lacking.erase("logit_scale.step");
  expect_user_error([&] { optimizer.load_state(lacking); }, {"saved optimizer state", "'logit_scale.step'"});

  NamedTensors more = copies_of(optimizer.state());
  more["log_beta.step"] = at::zeros({});
  expect_user_error([&] { optimizer.load_state(more); }, {"not known here: 1", "'log_beta.step'"});

  NamedTensors reshaped = copies_of(optimizer.state());
  reshaped["text_projection.exp_avg"] = at::ones({3, 6});
  expect_user_error([&] { optimizer.load_state(reshaped); },
                    {"'text_projection.exp_avg'", "(3, 6)", "(3, 5)"});
  EXPECT_EQ(optimizer.state().at("text_projection.exp_avg").norm().item<float>(), 0);
}

}  // namespace
}  // namespace cloob
