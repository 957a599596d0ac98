// Parameter groups, optimizer steps, learning rates and clamps against the ProtoCLIP authors' code
// (tools/goldens/make_protoclip_training.py).
#include <ATen/ATen.h>
#include <fmt/core.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cloob/base/files.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/optim/adamw.h"
#include "cloob/optim/gradients.h"
#include "cloob/optim/logit_scale.h"
#include "cloob/optim/parameter_groups.h"
#include "cloob/optim/schedule.h"
#include "support/named_tensors.h"
#include "support/support.h"

namespace cloob {
namespace {

nlohmann::json read_golden(const std::string& name) {
  return nlohmann::json::parse(read_file(testing::golden_path("optim/" + name)));
}

// As the owners of such tensors declare them.
TrainedParameter declared(const std::string& name, const at::Tensor& tensor) {
  return {.tensor = tensor.requires_grad_(),
          .tower = name.starts_with("visual.") ? Tower::image : Tower::shared,
          .is_projection_head = name.find("projection_head.") != std::string::npos};
}

TEST(ProtoClip, HasTheAuthorsParameterGroups) {
  const nlohmann::json models = read_golden("protoclip_groups.json");
  for (const auto& [model, expected] : models.items()) {
    TrainedParameters parameters;
    std::map<std::string, std::set<std::string>> names;
    for (const auto& [group, members] : expected.items()) {
      for (const auto& [name, dimensions] : members.items()) {
        const std::vector<std::int64_t> shape(dimensions.get<std::size_t>(), 1);
        parameters.emplace(name, declared(name, at::zeros(shape)));
        names[group].insert(name);
      }
    }
    const auto groups = group_parameters(parameters, {.weight_decay = 0.5}, Reference::protoclip);
    ASSERT_EQ(groups.size(), 4U) << model;
    for (const ParameterGroup& group : groups) {
      const std::string name = std::string(group.is_of_image_tower ? "visual_" : "other_") +
                               (group.weight_decay > 0 ? "decayed" : "undecayed");
      EXPECT_EQ(std::set<std::string>(group.names.begin(), group.names.end()), names.at(name))
          << model << " " << name;
      EXPECT_EQ(group.lr_scale, 1);
    }
    EXPECT_EQ(names.size(), 4U);
    EXPECT_GT(names.at("other_decayed").size(), 40U) << "the text tower's matrices and embeddings decay";
  }
}

TEST(ProtoClip, ProjectionHeadsDecayUnderOtherReferences) {
  const TrainedParameter weight = declared("image_projection_head.0.weight", at::ones({2, 2}));
  EXPECT_FALSE(has_weight_decay("protoclip.image_head.0.weight", weight, Reference::protoclip));
  EXPECT_TRUE(has_weight_decay("protoclip.image_head.0.weight", weight, Reference::open_clip));
  EXPECT_TRUE(has_weight_decay("protoclip.image_head.0.weight", weight, Reference::cloob));
}

TEST(ProtoClip, HasTheAuthorsOptimizerSteps) {
  const NamedTensors golden =
      read_safetensors(testing::golden_path("optim/protoclip_adamw.safetensors")).tensors;
  const auto with_prefix = [&](const std::string& prefix) {
    NamedTensors chosen;
    for (const auto& [name, tensor] : golden) {
      if (name.starts_with(prefix)) chosen.emplace(name.substr(prefix.size()), tensor.clone());
    }
    return chosen;
  };
  TrainedParameters parameters;
  for (const auto& [name, tensor] : with_prefix("start.")) parameters.emplace(name, declared(name, tensor));
  AdamW optimizer(parameters, {.weight_decay = 0.5}, Reference::protoclip);
  const ScheduleConfig schedule = with_image_locked_from(3, {.warmup_steps = 1});
  for (int step = 0; step < 4; ++step) {
    for (const auto& [name, gradient] : with_prefix(fmt::format("grad{}.", step)))
      parameters.at(name).tensor.mutable_grad() = gradient;
    clip_gradients(parameters, gradient_norms(parameters).all, 5.0);
    const LearningRates lr = learning_rates_at(schedule, 1e-2, Reference::protoclip, step, /*total_steps=*/4);
    EXPECT_NEAR(lr.image, golden.at("rates")[step][0].item<double>(), 1e-15);
    EXPECT_NEAR(lr.other, golden.at("rates")[step][1].item<double>(), 1e-15);
    optimizer.step(lr);
    for (const auto& [name, expected] : with_prefix(fmt::format("step{}.", step)))
      testing::expect_close(parameters.at(name).tensor, expected, 2e-6, 1e-7, name);
  }
  const at::Tensor conv = golden.at("step2.visual.conv1.weight");
  EXPECT_TRUE(at::equal(conv, golden.at("step3.visual.conv1.weight"))) << "the image tower was locked";
}

// Their code counts the end of the text window from its start, but from a run's start what it compares it with; so if both are
// set, rates rise again after the end.
TEST(ProtoClip, HasTheAuthorsLearningRates) {
  int num_windows = 0, num_rising_again = 0;
  for (const nlohmann::json& golden : read_golden("protoclip_schedules.json")) {
    const std::int64_t total = golden.at("total_steps"), image_end = golden.at("image_end_step"),
                       text_start = golden.at("text_start_step"), text_end = golden.at("text_end_step");
    SCOPED_TRACE(fmt::format("image to {}, text from {} to {}", image_end, text_start, text_end));
    ScheduleConfig schedule{.warmup_steps = golden.at("warmup_steps"), .text_start_step = text_start};
    if (image_end < total) schedule.image_end_step = image_end;
    if (text_end < total) schedule.text_end_step = text_end;
    schedule.validate();
    const double lr = golden.at("lr"), lr_text = golden.at("lr_text");
    std::int64_t step = 0;
    for (const nlohmann::json& expected : golden.at("rates")) {
      const LearningRates rates = learning_rates_at(schedule, lr_text, Reference::protoclip, step, total);
      // optimizer.lr is their lr_text, optimizer.image.lr their lr.
      EXPECT_NEAR(rates.image * (lr / lr_text), expected[0].get<double>(), 1e-15) << "step " << step;
      const bool rises_again = text_start > 0 && text_end < total && step > text_end;
      if (rises_again && expected[1].get<double>() > 0) ++num_rising_again;
      EXPECT_NEAR(rates.other, rises_again ? 0 : expected[1].get<double>(), 1e-15) << "step " << step;
      if (rates.image != rates.other) ++num_windows;
      ++step;
    }
    EXPECT_EQ(step, total + 1);
  }
  EXPECT_GT(num_windows, 100);
  EXPECT_GT(num_rising_again, 0);
}

TEST(ProtoClip, HasTheAuthorsClamps) {
  const LogitScaleBounds bounds = logit_scale_bounds(1, 100, Reference::protoclip);
  for (const nlohmann::json& row : read_golden("protoclip_clamps.json")) {
    for (const std::size_t scale : {1U, 2U}) {
      const at::Tensor clamped = at::scalar_tensor(row[0].get<double>(), at::kFloat);
      clamp_logit_scale(clamped, bounds);
      EXPECT_EQ(clamped.item<float>(), row[scale].get<float>()) << row[0];
    }
  }
}

}  // namespace
}  // namespace cloob
