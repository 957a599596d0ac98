#include "cloob/run/dry_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "cloob/base/error.h"
#include "cloob/base/memory.h"
#include "cloob/base/named_path.h"
#include "cloob/base/text.h"
#include "cloob/data/source_names.h"
#include "cloob/device/device.h"
#include "cloob/model/flops.h"
#include "cloob/model/infer_config.h"
#include "cloob/model/training_memory.h"
#include "cloob/objective/objective_system.h"
#include "cloob/run/model_file.h"
#include "cloob/run/step_shape.h"

namespace cloob {
namespace {

double giga(std::int64_t number) { return static_cast<double>(number) / 1e9; }

std::string describe_size(const RunConfig& config) {
  const ParameterCount parameters = count_parameters(config.model);
  const Flops flops = count_flops(config.model);
  constexpr const char* kRow = "# {:<12}  {:>14}  {:>16}\n";
  std::string text = fmt::format(kRow, "", "parameters", "GFLOP per sample");
  text += fmt::format(kRow, "image tower", with_thousands(parameters.image),
                      fmt::format("{:.3f}", giga(flops.image)));
  text += fmt::format(kRow, "text tower", with_thousands(parameters.text),
                      fmt::format("{:.3f}", giga(flops.text)));
  text += fmt::format(kRow, "both", with_thousands(parameters.total),
                      fmt::format("{:.3f}", giga(flops.image + flops.text)));
  return text + "# FLOPs of one forward pass, a multiply-add counts as two; " +
         (reads_samples(config.task.kind) ? "a training step takes three times as many.\n"
                                          : "each sample takes them once, before the first step.\n");
}

// Of a task that reads features in place of samples (RecoTask).
std::string describe_memory_of_features(const RunConfig& config) {
  constexpr std::int64_t kSamples = 1'000'000;
  const std::int64_t of_sample = 8 * config.model.embed_dim + 16 * config.reco.k;
  return fmt::format(
      "# a step runs no tower. In memory: the towers, {}, and on every rank the features of all training samples and what they "
      "retrieve, {} for {} of them\n",
      human_bytes(static_cast<std::uint64_t>(count_parameters(config.model).total) * sizeof(float)),
      human_bytes(static_cast<std::uint64_t>(of_sample * kSamples)), with_thousands(kSamples));
}

std::string describe_memory(const RunConfig& config) {
  if (!reads_samples(config.task.kind)) return describe_memory_of_features(config);
  const TrainingMemory memory = estimate_training_memory(config.model, step_shape(config));
  std::string text =
      fmt::format("# estimated memory of a step of {} pairs in one process, for captions of {} tokens\n",
                  with_thousands(config.train.global_batch_size), config.model.text.context_length);
  const auto add_row = [&](const char* name, std::int64_t bytes) {
    text += fmt::format("# {:<22}  {:>10}\n", name, human_bytes(static_cast<std::uint64_t>(bytes)));
  };
  add_row("program and LibTorch", memory.process);
  add_row("weights", memory.weights);
  add_row("optimizer state", memory.optimizer_state);
  add_row("gradients", memory.gradients);
  add_row("activations", memory.activations);
  add_row("heap fragmentation", memory.fragmentation);
  add_row("peak", memory.peak);
  add_row("available here", static_cast<std::int64_t>(available_memory_bytes()));
  return text;
}

}  // namespace

std::string describe_run(const RunConfig& config, const Origins& origins) {
  return fmt::format("{}\n# {} with the objective {}\n#\n{}#\n{}", print_config(config, origins),
                     model_name(config.model), enum_name(system_of(config.loss.kind, config.retrieval.kind)),
                     describe_size(config), describe_memory(config));
}

std::vector<std::string> settings_without_effect(const RunConfig& config, const Origins& all_origins) {
  const Origins origins = origins_of_changes(config, all_origins);
  std::vector<std::string> settings = settings_without_effect(config.loss, config.retrieval);
  const auto append = [&](std::vector<std::string> more) {
    std::ranges::move(more, std::back_inserter(settings));
  };
  if (config.task.kind != TaskKind::protoclip) {
    for (const auto& [name, origin] : origins) {
      if (name.starts_with("protoclip.")) settings.push_back(name + " (task.kind is not protoclip)");
    }
  } else {
    if (!config.protoclip.teacher && origins.contains("protoclip.w_teacher"))
      settings.emplace_back("protoclip.w_teacher (protoclip.teacher is not set)");
    if (config.protoclip.projection_layers == 0 && origins.contains("protoclip.projection_hidden_dim"))
      settings.emplace_back("protoclip.projection_hidden_dim (protoclip.projection_layers is 0)");
  }
  if (config.task.kind != TaskKind::reco) {
    for (const auto& [name, origin] : origins) {
      if (name.starts_with("reco.")) settings.push_back(name + " (task.kind is not reco)");
    }
  } else {
    append(settings_without_effect(config.reco, origins));
  }
  append(settings_without_effect(config.schedule));
  append(settings_without_effect(config.optimizer));
  if (config.schedule.image_end_step && config.optimizer.image.frozen)
    settings.emplace_back("schedule.image_end_step (optimizer.image.frozen is set)");
  append(settings_without_effect(config.data, origins));
  const auto is_set = [&](const char* name) { return origins.contains(name); };
  if (config.train.cache_frozen_features && !config.optimizer.image.frozen && !config.optimizer.text.frozen)
    settings.emplace_back(
        "train.cache_frozen_features (neither optimizer.image.frozen nor text.frozen is set)");
  if (config.train.cuda_graph && !selects_gpu(config.train.device))
    settings.emplace_back("train.cuda_graph (the device is the CPU)");
  if (config.train.tf32 && !selects_gpu(config.train.device))
    settings.emplace_back("train.tf32 (the device is the CPU)");
  if (config.model.image.kind == ImageEncoderKind::resnet && is_set("model.image.patch_dropout"))
    settings.emplace_back("model.image.patch_dropout (model.image.kind is resnet, which has no patches)");
  if (config.optimizer.image.frozen && is_set("model.image.patch_dropout"))
    settings.emplace_back("model.image.patch_dropout (optimizer.image.frozen is set)");
  if (config.image.train_crop == TrainCrop::evaluation &&
      (is_set("image.crop_scale") || is_set("image.crop_ratio"))) {
    settings.emplace_back("image.crop_scale or crop_ratio (image.train_crop is evaluation)");
  }
  if (config.data.val.empty() && is_set("eval.captions"))
    settings.emplace_back("eval.captions (data.val is not set)");
  if (config.data.val.empty() && is_set("eval.loss_batch_size")) {
    settings.emplace_back("eval.loss_batch_size (data.val is not set)");
  }
  if (config.eval.zero_shot.empty() && (is_set("eval.templates") || is_set("eval.class_names"))) {
    settings.emplace_back("eval.templates or eval.class_names (eval.zero_shot is not set)");
  }
  return settings;
}

std::vector<std::string> missing_data(const RunConfig& config) {
  std::vector<std::string> missing;
  const auto look_for = [&](const char* setting, const std::vector<std::string>& names) {
    try {
      expand_source_names(split_sources(names));
    } catch (const UserError& error) {
      missing.push_back(fmt::format("{}: {}", setting, error.what()));
    }
  };
  if (config.data.train.empty()) missing.emplace_back("data.train is not set: name a table or tar shards");
  look_for("data.train", config.data.train);
  look_for("data.val", config.data.val);
  if (config.task.kind == TaskKind::protoclip && config.protoclip.teacher) {
    std::error_code ignored;
    if (!std::filesystem::exists(*config.protoclip.teacher, ignored))
      missing.push_back(fmt::format("protoclip.teacher: '{}' does not exist", *config.protoclip.teacher));
  }
  for (const std::string& set : config.eval.zero_shot) {
    std::error_code ignored;
    const std::string path = named_path(set).path;
    if (!std::filesystem::exists(path, ignored))
      missing.push_back(fmt::format("eval.zero_shot: '{}' does not exist", path));
  }
  for (const auto& [name, probe] : config.eval.linear_probe) {
    for (const std::string& path : {probe.train, probe.test}) {
      std::error_code ignored;
      if (!std::filesystem::exists(path, ignored))
        missing.push_back(fmt::format("eval.linear_probe.{}: '{}' does not exist", name, path));
    }
  }
  for (const auto& [name, clusters] : config.eval.clusters) {
    std::error_code ignored;
    if (!std::filesystem::exists(clusters.data, ignored))
      missing.push_back(fmt::format("eval.clusters.{}: '{}' does not exist", name, clusters.data));
  }
  return missing;
}

}  // namespace cloob
