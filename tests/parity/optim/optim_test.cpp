// Parameter groups, optimizer steps, clipping, learning rates, clamps and loss scales against open_clip, the CLOOB authors'
// code and PyTorch (tools/goldens/make_optim.py).
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/optim/adamw.h"
#include "cloob/optim/gradients.h"
#include "cloob/optim/logit_scale.h"
#include "cloob/optim/loss_scaler.h"
#include "cloob/optim/parameter_groups.h"
#include "cloob/optim/schedule.h"
#include "support/named_tensors.h"
#include "support/support.h"

namespace cloob {
namespace {

nlohmann::json read_golden(const std::string& name) {
  return nlohmann::json::parse(read_file(testing::golden_path("optim/" + name)));
}

template <NamedEnum E>
E enum_value(const std::string& word) {
  for (const auto& [name, value] : EnumNames<E>::names) {
    if (name == word) return value;
  }
  throw std::runtime_error("unknown enumerator: " + word);
}

TrainedParameter with_dimensions(std::int64_t count) {
  return {.tensor = at::empty(std::vector<std::int64_t>(static_cast<std::size_t>(count), 1))};
}

TEST(ParameterGroups, MatchTheReferencesForEveryTensor) {
  const nlohmann::json models = read_golden("groups.json");
  for (const auto& [model, parameters] : models.items()) {
    for (const auto& [name, row] : parameters.items()) {
      const TrainedParameter parameter = with_dimensions(row[0].get<std::int64_t>());
      EXPECT_EQ(has_weight_decay(name, parameter, Reference::open_clip), row[1].get<bool>())
          << model << " " << name;
      EXPECT_EQ(has_weight_decay(name, parameter, Reference::cloob), row[2].get<bool>())
          << model << " " << name;
    }
  }
}

TEST(ParameterGroups, OfTheResNet50HaveTheReferenceCounts) {
  int decayed = 0, undecayed = 0;
  const nlohmann::json rows = read_golden("groups.json").at("RN50");
  for (const auto& [name, row] : rows.items()) {
    const TrainedParameter parameter = with_dimensions(row[0].get<std::int64_t>());
    ++(has_weight_decay(name, parameter, Reference::cloob) ? decayed : undecayed);
  }
  EXPECT_EQ(decayed, 116);
  EXPECT_EQ(undecayed, 208);
}

// The tensors of the golden file whose names begin with "PREFIX.", without that prefix.
NamedTensors with_prefix(const NamedTensors& tensors, const std::string& prefix) {
  NamedTensors chosen;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix + ".")) chosen.emplace(name.substr(prefix.size() + 1), tensor.clone());
  }
  return chosen;
}

void expect_weights(const NamedTensors& model, const NamedTensors& expected) {
  ASSERT_EQ(model.size(), expected.size());
  for (const auto& [name, tensor] : expected) testing::expect_close(model.at(name), tensor, 2e-6, 1e-7, name);
}

TEST(AdamW, MatchesPyTorchUnderBothReferences) {
  const NamedTensors golden = read_safetensors(testing::golden_path("optim/adamw.safetensors")).tensors;
  for (const Reference reference : {Reference::open_clip, Reference::cloob}) {
    const std::string prefix(enum_name(reference));
    SCOPED_TRACE(prefix);
    NamedTensors model = with_prefix(golden, "start");
    for (const auto& [name, tensor] : model) tensor.requires_grad_();
    const TrainedParameters parameters = testing::trained(model);
    AdamW optimizer(parameters, {.beta2 = 0.98, .eps = 1e-6, .weight_decay = 0.2}, reference);
    for (int step = 0; step < 4; ++step) {
      optimizer.zero_grad();
      for (const auto& [name, gradient] : with_prefix(golden, "grad" + std::to_string(step))) {
        if (step == 1 && name == "token_embedding.weight") continue;
        model.at(name).mutable_grad() = gradient;
      }
      const GradientNorms norms = gradient_norms(parameters);
      testing::expect_close(norms.all, golden.at(prefix + ".norms")[step], 1e-6, 0, "norm");
      clip_gradients(parameters, norms.all, 5.0);
      optimizer.step(same_for_all(1e-2 / (step + 1)));
      if (step == 0 || step == 3)
        expect_weights(model, with_prefix(golden, prefix + ".step" + std::to_string(step)));
    }
  }
}

TEST(LrAt, MatchesTheReferenceSchedules) {
  for (const nlohmann::json& golden : read_golden("schedules.json")) {
    const nlohmann::json& settings = golden.at("settings");
    SCOPED_TRACE(golden.at("reference").get<std::string>() + " " + golden.at("kind").get<std::string>() +
                 " " + settings.dump());
    const ScheduleConfig defaults;
    const ScheduleConfig schedule{
        .kind = enum_value<ScheduleKind>(golden.at("kind")),
        .warmup_steps = golden.at("warmup_steps"),
        .restart_cycles = settings.value("restart_cycles", defaults.restart_cycles),
        .cooldown_steps = settings.value("cooldown_steps", defaults.cooldown_steps),
        .cooldown_end_lr = settings.value("cooldown_end_lr", defaults.cooldown_end_lr),
        .cooldown_power = settings.value("cooldown_power", defaults.cooldown_power)};
    const auto reference = enum_value<Reference>(golden.at("reference"));
    std::int64_t step = 0;
    for (const double expected : golden.at("lr")) {
      const double lr = lr_at(schedule, golden.at("base_lr"), reference, step, golden.at("total_steps"));
      EXPECT_NEAR(lr, expected, 1e-15) << "step " << step;
      ++step;
    }
    EXPECT_GT(step, 40);
  }
}

TEST(ClampLogitScale, MatchesTheReferences) {
  const nlohmann::json references = read_golden("clamps.json");
  for (const auto& [word, rows] : references.items()) {
    const LogitScaleBounds bounds = logit_scale_bounds(1, 100, enum_value<Reference>(word));
    for (const nlohmann::json& row : rows) {
      const at::Tensor scale = at::scalar_tensor(row[0].get<double>(), at::kFloat);
      clamp_logit_scale(scale, bounds);
      EXPECT_EQ(scale.item<float>(), row[1].get<float>()) << word << " " << row[0];
    }
  }
}

TEST(LossScaler, MatchesPyTorchsTrajectory) {
  const nlohmann::json golden = read_golden("loss_scaler.json");
  LossScaler scaler(
      {.initial_scale = golden.at("initial_scale"), .growth_interval = golden.at("growth_interval")},
      at::kCPU);
  for (const nlohmann::json& row : golden.at("steps")) {
    const at::Tensor parameter = at::zeros({2}).requires_grad_();
    const at::Tensor factors = at::tensor({row.at("overflows") ? INFINITY : 0.1F, 0.3F});
    scaler.scale((parameter * factors).sum()).backward();
    EXPECT_EQ(scaler.unscale(testing::trained({{"weight", parameter}})).item<float>() == 0.0F,
              row.at("stepped").get<bool>());
    EXPECT_EQ(parameter.grad()[1].item<double>(), row.at("gradient").get<double>());
    scaler.update();
    EXPECT_EQ(scaler.current_scale(), row.at("scale").get<double>());
    EXPECT_EQ(scaler.state().at("growth_tracker").item<int>(), row.at("tracker").get<int>());
  }
}

}  // namespace
}  // namespace cloob
