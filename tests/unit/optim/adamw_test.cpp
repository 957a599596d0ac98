#include "cloob/optim/adamw.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "cloob/base/tensor_copies.h"
#include "cloob/checkpoint/safetensors.h"
#include "support/named_tensors.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::expect_user_error;

at::Tensor leaf(at::IntArrayRef shape, double value) { return at::full(shape, value).requires_grad_(); }

void set_gradients(const TrainedParameters& parameters, std::uint64_t seed) {
  at::manual_seed(seed);
  for (const auto& [name, parameter] : parameters)
    parameter.tensor.mutable_grad() = at::randn_like(parameter.tensor.detach());
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
    optimizer.step(same_for_all(1e-2));
  }
}

TEST(AdamW, FirstStepIsTheSignOfTheGradientAndDecay) {
  const at::Tensor weight = leaf({2, 1}, 1.0), gain = leaf({2}, 1.0);
  for (const at::Tensor& parameter : {weight, gain}) {
    parameter.mutable_grad() = at::tensor({0.3F, -5.0F}).reshape(parameter.sizes());
  }
  AdamW optimizer(testing::trained({{"weight", weight}, {"gain", gain}}), {.weight_decay = 0.5},
                  Reference::open_clip);
  optimizer.step(same_for_all(0.1));
  expect_close(gain, at::tensor({0.9F, 1.1F}), 1e-6, 0);
  // 1 - lr * weight_decay = 0.95 before the step itself
  expect_close(weight.flatten(), at::tensor({0.85F, 1.05F}), 1e-6, 0);
}

TEST(AdamW, ResumesBitForBit) {
  NamedTensors original_model = small_model();
  AdamW original(testing::trained(original_model), {}, Reference::open_clip);
  train(original, 0, 3);
  const testing::TempDir folder;
  write_safetensors(folder / "state.safetensors", original.state(), {});
  const NamedTensors weights = copies_of(original_model);
  train(original, 3, 6);

  const NamedTensors resumed_model = small_model();
  {
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : resumed_model) tensor.copy_(weights.at(name));
  }
  AdamW resumed(testing::trained(resumed_model), {}, Reference::open_clip);
  resumed.load_state(read_safetensors(folder / "state.safetensors").tensors);
  train(resumed, 3, 6);
  expect_same_bits(resumed_model, original_model);
  expect_same_bits(resumed.state(), original.state());
}

TEST(AdamW, LeavesParametersWithoutGradientUnchanged) {
  const NamedTensors model = small_model();
  AdamW optimizer(testing::trained(model), {}, Reference::open_clip);
  train(optimizer, 0, 1);
  const NamedTensors weights = copies_of(model), state = copies_of(optimizer.state());
  optimizer.zero_grad();
  optimizer.step(same_for_all(1e-2));
  expect_same_bits(model, weights);
  expect_same_bits(optimizer.state(), state);
}

TEST(AdamW, WithALearningRateOfZeroOnlyUpdatesMoments) {
  const NamedTensors model = small_model();
  const NamedTensors weights = copies_of(model);
  AdamW optimizer(testing::trained(model), {}, Reference::open_clip);
  set_gradients(testing::trained(model), 1);
  optimizer.step(same_for_all(0.0));
  expect_same_bits(model, weights);
  EXPECT_EQ(optimizer.state().at("text_projection.step").item<float>(), 1);
  EXPECT_GT(optimizer.state().at("text_projection.exp_avg").norm().item<float>(), 0);
}

TEST(AdamW, AcceptsGradientsOfAnyMemoryLayout) {
  const at::Tensor plain = leaf({3, 4}, 1.0), other = leaf({3, 4}, 1.0);
  const at::Tensor gradient = at::arange(12).reshape({3, 4}).to(at::kFloat) - 5;
  plain.mutable_grad() = gradient;
  other.mutable_grad() = gradient.t().contiguous().t();
  AdamW optimizer(testing::trained({{"plain", plain}, {"other", other}}), {}, Reference::open_clip);
  optimizer.step(same_for_all(1e-2));
  EXPECT_TRUE(at::equal(plain, other));
}

TEST(AdamW, ScalesTheLearningRateByTowerAndLayer) {
  const at::Tensor near_output = leaf({2, 2}, 1.0), far_from_output = leaf({2, 2}, 1.0);
  for (const at::Tensor& parameter : {near_output, far_from_output})
    parameter.mutable_grad() = at::ones({2, 2});
  OptimizerConfig config{.lr = 0.1, .weight_decay = 0};
  config.text.layer_decay = 0.5;
  AdamW optimizer({{"text_projection", {near_output, Tower::text}},
                   {"token_embedding.weight", {far_from_output, Tower::text, 0}}},
                  config, Reference::open_clip);
  optimizer.step(same_for_all(0.1));
  expect_close(near_output, at::full({2, 2}, 0.9), 1e-6, 0);
  expect_close(far_from_output, at::full({2, 2}, 0.95), 1e-6, 0);
}

TEST(AdamW, TheImageTowerHasALearningRateOfItsOwn) {
  TrainedParameters parameters{{"visual.proj", {leaf({2}, 1.0), Tower::image}},
                               {"text_projection", {leaf({2}, 1.0), Tower::text}},
                               {"logit_scale", {leaf({}, 1.0), Tower::shared}}};
  for (const auto& [name, parameter] : parameters)
    parameter.tensor.mutable_grad() = at::ones(parameter.tensor.sizes());
  AdamW optimizer(parameters, {.weight_decay = 0.5}, Reference::open_clip);
  optimizer.step({.image = 0, .other = 0.1});
  EXPECT_TRUE(at::equal(parameters.at("visual.proj").tensor.detach(), at::ones({2})));
  EXPECT_EQ(optimizer.state().at("visual.proj.step").item<float>(), 1);
  expect_close(parameters.at("text_projection").tensor, at::full({2}, 0.9), 1e-6, 0);
  expect_close(parameters.at("logit_scale").tensor, at::full({}, 0.9), 1e-6, 0);
  optimizer.step({.image = 0.1, .other = 0});
  expect_close(parameters.at("visual.proj").tensor, at::full({2}, 0.9), 1e-6, 0);
  expect_close(parameters.at("text_projection").tensor, at::full({2}, 0.9), 1e-6, 0);
}

TEST(AdamW, UpdatesAFloat32MasterCopyOfABf16Parameter) {
  const at::Tensor bf16 = at::ones({2, 2}, at::kBFloat16).requires_grad_();
  const NamedTensors model{{"text_projection", bf16}};
  AdamW optimizer(testing::trained(model), {.weight_decay = 0}, Reference::open_clip);
  // Each update is a hundredth of the distance from 1 to the next smaller bf16 number.
  const double lr = 0.01 / 256;
  for (int step = 0; step < 40; ++step) {
    bf16.mutable_grad() = at::full({2, 2}, 0.25, at::kBFloat16);
    optimizer.step(same_for_all(lr));
  }
  EXPECT_TRUE(at::equal(bf16.detach(), at::ones({2, 2}, at::kBFloat16)));
  const NamedTensors saved = copies_of(optimizer.state());
  const auto train_more = [&](AdamW& adamw, const at::Tensor& parameter) {
    for (int step = 0; step < 40; ++step) {
      parameter.mutable_grad() = at::full({2, 2}, 0.25, at::kBFloat16);
      adamw.step(same_for_all(lr));
    }
  };
  train_more(optimizer, bf16);
  EXPECT_EQ(bf16[0][0].item<float>(), 1 - 1.0F / 256) << "small updates accumulate in the master copy";
  expect_close(optimizer.state().at("text_projection.master"), at::full({2, 2}, 1 - 80 * lr), 1e-5, 0);

  const at::Tensor other = at::ones({2, 2}, at::kBFloat16).requires_grad_();
  AdamW resumed(testing::trained({{"text_projection", other}}), {.weight_decay = 0}, Reference::open_clip);
  resumed.load_state(saved);
  train_more(resumed, other);
  expect_same_bits(resumed.state(), optimizer.state());
  EXPECT_TRUE(at::equal(other, bf16));
}

// Large enough that each of three ranks has a part of some parameters, and none of others.
NamedTensors sharable_model() {
  NamedTensors model = small_model();
  at::manual_seed(1);
  model["text_projection"] = at::randn({33, 17}).requires_grad_();
  model["visual.conv1.weight"] =
      at::randn({16, 8, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  model["token_embedding.weight"] = at::randn({40, 20}).to(at::kBFloat16).requires_grad_();
  return model;
}

TEST(AdamW, SharedByRanksComputesTheSame) {
  const NamedTensors plain_model = sharable_model();
  AdamW plain(testing::trained(plain_model), {}, Reference::open_clip);
  std::vector<NamedTensors> gradients;
  for (std::uint64_t step = 0; step < 6; ++step) {
    set_gradients(plain.parameters(), step);
    gradients.emplace_back();
    for (const auto& [name, tensor] : plain_model) gradients.back()[name] = tensor.grad().clone();
  }
  const auto train_with = [&](AdamW& optimizer, std::size_t first, std::size_t end) {
    for (std::size_t step = first; step < end; ++step) {
      for (const auto& [name, parameter] : optimizer.parameters())
        parameter.tensor.mutable_grad() = gradients[step].at(name).clone();
      optimizer.step(same_for_all(1e-2));
    }
  };
  train_with(plain, 0, 3);
  const NamedTensors state_after_3 = copies_of(plain.state());
  const NamedTensors weights_after_3 = copies_of(plain_model);
  train_with(plain, 3, 6);
  const NamedTensors expected = copies_of(plain_model), expected_state = copies_of(plain.state());
  // Made before the ranks start, since their threads share one generator.
  const std::vector<NamedTensors> models = {sharable_model(), sharable_model(), sharable_model()};
  testing::run_ranks(3, [&](const Collectives& collectives) {
    const NamedTensors& model = models[static_cast<std::size_t>(collectives.rank())];
    AdamW optimizer(testing::trained(model), {}, Reference::open_clip, &collectives);
    train_with(optimizer, 0, 6);
    expect_same_bits(copies_of(model), expected);
    const NamedTensors state = optimizer.state();
    if (collectives.rank() == 0) expect_same_bits(copies_of(state), expected_state);
    if (collectives.rank() > 0) {
      EXPECT_TRUE(state.empty());
    }
    // The state of one process, continued by three.
    copy_values(model, weights_after_3);
    optimizer.load_state(state_after_3);
    train_with(optimizer, 3, 6);
    expect_same_bits(copies_of(model), expected);
    NamedTensors reshaped = copies_of(state_after_3);
    reshaped["text_projection.exp_avg"] = at::zeros({33 * 17});
    expect_user_error([&] { optimizer.load_state(reshaped); }, {"text_projection.exp_avg", "(33, 17)"});
  });
}

TEST(AdamW, IgnoresFrozenParameters) {
  NamedTensors model = small_model();
  model["logit_scale"] = at::full({}, 3.4);
  const AdamW optimizer(testing::trained(model), {}, Reference::open_clip);
  EXPECT_EQ(optimizer.parameters().count("logit_scale"), 0U);
  EXPECT_EQ(optimizer.state().size(), 9U);
}

TEST(AdamW, WithNothingToTrainIsAUserError) {
  expect_user_error(
      [] { AdamW(testing::trained({{"visual.proj", at::ones({2})}}), {}, Reference::open_clip); },
      {"nothing to train"});
  expect_user_error([] { AdamW(TrainedParameters{}, {}, Reference::open_clip); }, {"nothing to train"});
}

TEST(AdamW, ReportsMismatchesOfASavedState) {
  AdamW optimizer(testing::trained(small_model()), {}, Reference::open_clip);
  NamedTensors incomplete = copies_of(optimizer.state());
  incomplete.erase("logit_scale.step");
  expect_user_error([&] { optimizer.load_state(incomplete); },
                    {"saved optimizer state", "'logit_scale.step'"});

  NamedTensors extended = copies_of(optimizer.state());
  extended["log_beta.step"] = at::zeros({});
  expect_user_error([&] { optimizer.load_state(extended); }, {"unexpected tensors: 1", "'log_beta.step'"});

  NamedTensors reshaped = copies_of(optimizer.state());
  reshaped["text_projection.exp_avg"] = at::ones({3, 6});
  expect_user_error([&] { optimizer.load_state(reshaped); },
                    {"'text_projection.exp_avg'", "(3, 6)", "(3, 5)"});
  EXPECT_EQ(optimizer.state().at("text_projection.exp_avg").norm().item<float>(), 0);
}

TEST(AdamW, SkippedStepsChangeNothing) {
  const NamedTensors model = small_model();
  AdamW optimizer(testing::trained(model), {.weight_decay = 0.3}, Reference::open_clip);
  train(optimizer, 0, 2);
  const NamedTensors weights = copies_of(model), state = copies_of(optimizer.state());
  set_gradients(testing::trained(model), 7);
  model.at("text_projection").mutable_grad().fill_(INFINITY);
  optimizer.step(same_for_all(1e-2), /*skip=*/at::ones({}));
  testing::expect_same_bits(copies_of(model), weights);
  testing::expect_same_bits(copies_of(optimizer.state()), state);
  // A step with skip = 0 equals a step without `skip`.
  const NamedTensors twin = copies_of(model);
  for (const auto& [name, tensor] : twin) tensor.requires_grad_();
  AdamW plain(testing::trained(twin), {.weight_decay = 0.3}, Reference::open_clip);
  plain.load_state(state);
  for (const NamedTensors* each : {&model, &twin}) set_gradients(testing::trained(*each), 8);
  optimizer.step(same_for_all(1e-2), /*skip=*/at::zeros({}));
  plain.step(same_for_all(1e-2));
  testing::expect_same_bits(copies_of(model), copies_of(twin));
  testing::expect_same_bits(copies_of(optimizer.state()), copies_of(plain.state()));
}

}  // namespace
}  // namespace cloob
