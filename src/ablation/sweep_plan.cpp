#include "cloob/ablation/sweep_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

#include "ablation/run_lengths.h"
#include "cloob/base/error.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "cloob/device/device.h"
#include "cloob/run/dry_run.h"
#include "cloob/run/judged_data.h"
#include "cloob/run/model_file.h"
#include "cloob/train/check_run.h"

namespace cloob {
namespace {

constexpr std::string_view kModel = "model";

// Of the three lengths of a run a later layer replaces the one of an earlier layer.
SweepSettings with_one_length(SweepSettings settings) {
  const auto length = std::ranges::find_if(settings, is_run_length, &NamedNode::name);
  if (length == settings.end()) return settings;
  ConfigNode unset;
  unset.origin = length->value.origin;
  unset.key_origin = length->value.key_origin;
  for (const std::string_view name : kRunLengths) {
    if (std::ranges::find(settings, name, &NamedNode::name) == settings.end())
      settings.push_back({std::string(name), unset});
  }
  return settings;
}

std::vector<SweepSettings> layers_of(const Sweep& sweep, const PlannedRun& run, const SweepSettings& chosen) {
  std::vector<SweepSettings> layers = {sweep.settings, run.settings, run.searched, chosen};
  if (run.kind == RunKind::trial) layers.push_back(sweep.search->trial_settings);
  return layers;
}

const NamedNode* last_setting(const std::vector<SweepSettings>& layers, std::string_view name) {
  const NamedNode* last = nullptr;
  for (const SweepSettings& layer : layers) {
    const auto found = std::ranges::find(layer, name, &NamedNode::name);
    if (found != layer.end()) last = &*found;
  }
  return last;
}

std::filesystem::path model_file_of(const NamedNode& setting) {
  try {
    return find_model_file(setting.value.text);
  } catch (const UserError& error) {
    throw_user_error("{}: {}", setting.value.origin, error.what());
  }
}

// A recipe that sets loss.kind itself is not changed by an `objective` elsewhere.
void require_objective(const RunConfig& config, const std::vector<SweepSettings>& layers,
                       const Origins& origins) {
  const NamedNode* const set = last_setting(layers, "objective");
  if (set == nullptr || set->value.text == enum_name(config.objective)) return;
  const auto origin_of = [&](const char* name) {
    const auto found = origins.find(name);
    return found == origins.end() ? std::string() : fmt::format(" ({} is set at {})", name, found->second);
  };
  throw_user_error(
      "{}: the objective is to be {}, but with loss.kind and retrieval.kind it is {}{}{}: set these as well",
      set->value.origin, set->value.text, enum_name(config.objective), origin_of("loss.kind"),
      origin_of("retrieval.kind"));
}

RunConfig read_layers(const Sweep& sweep, const std::vector<SweepSettings>& layers) {
  const NamedNode* const model = last_setting(layers, kModel);
  const auto model_file = model == nullptr ? std::filesystem::path() : model_file_of(*model);
  std::vector<ConfigNode> files =
      (model == nullptr ? ConfigSource::from_file(sweep.base) : recipe_with_model(sweep.base, model_file))
          .files();
  for (SweepSettings layer : layers) {
    std::erase_if(layer, [](const NamedNode& setting) { return setting.name == kModel; });
    files.push_back(nest(with_one_length(std::move(layer))));
  }
  Origins origins;
  RunConfig config = read_config<RunConfig>(files, origins);
  if (model != nullptr) require_model_of_file(origins, model_file);
  require_objective(config, layers, origins);
  return config;
}

void fix(RunConfig& config, const FixedSettings& fixed, std::int64_t seed) {
  config.train.seed = seed;
  config.train.threads = fixed.threads;
  if (config.train.device == DeviceChoice::auto_) config.train.device = fixed.device;
  if (!config.train.precision) config.train.precision = fixed.precision;
  if (config.data.threads == 0) config.data.threads = fixed.threads;
}

RunConfig resolve(const Sweep& sweep, const FixedSettings& fixed, const PlannedRun& run,
                  const SweepSettings& chosen) {
  try {
    RunConfig config = read_layers(sweep, layers_of(sweep, run, chosen));
    fix(config, fixed, run.seed);
    return config;
  } catch (const UserError& error) {
    std::vector<std::string> lines = split(error.what(), '\n');
    lines.front() += fmt::format(" (in the run {})", run.name);
    throw UserError(join(lines, "\n"));
  }
}

FixedSettings fixed_settings(const Sweep& sweep, const std::optional<FixedSettings>& earlier) {
  const RunConfig base = read_layers(sweep, {sweep.settings});
  FixedSettings fixed;
  if (earlier) fixed = *earlier;
  if (!earlier) {
    fixed.threads = resolve_threads(base.train.threads);
    fixed.device = selects_gpu(base.train.device) ? DeviceChoice::cuda : DeviceChoice::cpu;
    fixed.precision = precision_of(base.train);
  }
  if (sweep.config.threads > 0) fixed.threads = sweep.config.threads;
  return fixed;
}

std::vector<std::string> open_settings(const Sweep& sweep, const RunConfig& base) {
  std::vector<std::string> names;
  if (sweep.config.threads == 0 && base.train.threads == 0) names.emplace_back("threads");
  if (base.train.device == DeviceChoice::auto_) names.emplace_back("train.device");
  if (!base.train.precision) names.emplace_back("train.precision");
  return names;
}

std::map<std::string, std::string> changed_settings(const RunConfig& config) {
  std::map<std::string, std::string> values = setting_values(config);
  const auto defaults = setting_values(RunConfig{});
  std::erase_if(values, [&](const auto& value) {
    const auto usual = defaults.find(value.first);
    return usual != defaults.end() && usual->second == value.second;
  });
  return values;
}

// Of a run that names its model, whose file may be edited: what the file has in it, where that is not what all runs have.
std::map<std::string, std::string> settings_of_model(const RunConfig& config,
                                                     const std::map<std::string, std::string>& base) {
  std::map<std::string, std::string> values = setting_values(config);
  std::erase_if(values, [&](const auto& value) {
    const auto of_all = base.find(value.first);
    return !value.first.starts_with("model.") || (of_all != base.end() && of_all->second == value.second);
  });
  return values;
}

// All that a final run may be trained with.
void check_choices(const Sweep& sweep, const FixedSettings& fixed, const std::vector<PlannedRun>& runs) {
  for (const PlannedRun& trial : runs) {
    if (trial.kind != RunKind::trial) continue;
    const auto final_run = std::ranges::find_if(runs, [&](const PlannedRun& run) {
      return run.kind == RunKind::final && run.values == trial.values;
    });
    resolve(sweep, fixed, *final_run, trial.searched);
  }
}

// What decides which files a run opens and how long it is.
std::string data_key(const RunConfig& config) {
  constexpr std::array<std::string_view, 7> kSections = {
      "data.", "image.", "text.", "eval.", "model.image.image_size", "train.init", "task."};
  std::string key = fmt::format("{} {} ", config.train.global_batch_size, config.model.text.context_length);
  for (const auto& [name, value] : setting_values(config)) {
    const bool matters = is_run_length(name) ||
                         std::ranges::any_of(kSections, [&](auto part) { return name.starts_with(part); });
    if (matters) key += fmt::format("{}={}\n", name, value);
  }
  return key;
}

bool evaluates(const RunConfig& config) {
  return !config.data.val.empty() || !config.eval.zero_shot.empty() || !config.eval.linear_probe.empty() ||
         !config.eval.clusters.empty();
}

// A plan may be made where the runs' GPU is not, as for Slurm.
RunConfig checkable_here(RunConfig config) {
  if (config.train.device != DeviceChoice::cuda || selects_gpu(DeviceChoice::auto_)) return config;
  config.train.device = DeviceChoice::cpu;
  config.train.cuda_graph = false;
  return config;
}

}  // namespace

SweepPlan resolve_plan(const Sweep& sweep, const std::optional<FixedSettings>& earlier) {
  SweepPlan plan{.sweep = sweep,
                 .fixed = fixed_settings(sweep, earlier),
                 .base_settings = {},
                 .from_machine = {},
                 .runs = {}};
  RunConfig base = read_layers(sweep, {sweep.settings});
  plan.from_machine = open_settings(sweep, base);
  fix(base, plan.fixed, 0);
  plan.base_settings = changed_settings(base);
  const std::map<std::string, std::string> values_of_base = setting_values(base);
  const std::vector<PlannedRun> runs = make_plan(sweep);
  for (const PlannedRun& run : runs) {
    RunConfig config = resolve(sweep, plan.fixed, run, {});
    std::map<std::string, std::string> settings;
    auto layers = layers_of(sweep, run, {});
    layers.erase(layers.begin());  // those of all runs
    for (const SweepSettings& layer : layers) settings.merge(values_of(layer, config));
    if (last_setting(layers, kModel) != nullptr) settings.merge(settings_of_model(config, values_of_base));
    plan.runs.push_back({.run = run, .config = std::move(config), .settings = std::move(settings)});
  }
  check_choices(sweep, plan.fixed, runs);
  return plan;
}

RunConfig final_config(const SweepPlan& plan, const PlannedRun& run, const SweepSettings& chosen) {
  return resolve(plan.sweep, plan.fixed, run, chosen);
}

std::map<std::string, std::string> values_of(const SweepSettings& settings, const RunConfig& config) {
  const auto all = setting_values(config);
  std::map<std::string, std::string> values;
  for (const NamedNode& setting : settings) {
    const auto found = all.find(setting.name);
    values[setting.name] = found == all.end() ? node_text(setting.value) : found->second;
  }
  return values;
}

namespace {

// What was chosen on the data of the report is not as good as it looks there.
void check_data_of_trials(const SweepPlan& plan, SweepCheck& check) {
  const std::string& metric = plan.sweep.config.search.metric;
  for (const ResolvedRun& trial : plan.runs) {
    if (trial.run.kind != RunKind::trial) continue;
    const auto final_run = std::ranges::find_if(plan.runs, [&](const ResolvedRun& other) {
      return other.run.kind == RunKind::final && other.run.values == trial.run.values;
    });
    const std::vector<std::string> reported = judged_data(final_run->config);
    for (const std::string& data : judged_data(trial.config, metric)) {
      if (std::ranges::find(reported, data) == reported.end()) continue;
      check.warnings.push_back(fmt::format(
          "trials are chosen by {} on '{}', on which the final runs are reported, too: what is chosen looks better than it "
          "is; give the trials other data in search.trial_settings (in the run {})",
          metric, data, trial.run.name));
      return;
    }
  }
}

}  // namespace

SweepCheck check_sweep(SweepPlan& plan, const std::string& only, const Collectives& collectives) {
  SweepCheck check;
  std::map<std::string, RunCheck> known;
  std::set<std::string> said;
  bool has_metric = true;
  for (ResolvedRun& resolved : plan.runs) {
    if (!only.empty() && resolved.run.name != only) continue;
    const auto add = [&](std::vector<std::string>& to, const std::string& message) {
      if (said.insert(message).second)
        to.push_back(fmt::format("{} (in the run {})", message, resolved.run.name));
    };
    if (!evaluates(resolved.config)) {
      constexpr const char* kNothing =
          "nothing is evaluated: set data.val, eval.zero_shot, eval.linear_probe or eval.clusters";
      add(resolved.run.kind == RunKind::trial ? check.errors : check.warnings, kNothing);
    }
    const std::string key = data_key(resolved.config);
    if (!known.contains(key)) known[key] = check_run(checkable_here(resolved.config), collectives);
    for (const std::string& error : known[key].errors) add(check.errors, error);
    for (const std::string& warning : known[key].warnings) add(check.warnings, warning);
    const bool is_trial = resolved.run.kind == RunKind::trial;
    const std::string& metric = plan.sweep.config.search.metric;
    const std::vector<std::string>& metrics = known[key].metrics;
    if (is_trial && !metrics.empty() && std::ranges::find(metrics, metric) == metrics.end()) {
      has_metric = false;
      add(check.errors,
          fmt::format("search.metric is '{}', which is not a metric of the trials{}; theirs are {}", metric,
                      suggestion(metric, metrics), join(metrics, ", ")));
    }
    resolved.steps = known[key].steps;
  }
  if (plan.sweep.search && has_metric && !plan.sweep.config.search.direction)
    check.errors.push_back(fmt::format(
        "search.direction is not set, and of {} neither the larger nor the smaller value is known to be the better "
        "one: set it to max or min",
        plan.sweep.config.search.metric));
  if (only.empty() && check.errors.empty()) check_data_of_trials(plan, check);
  return check;
}

}  // namespace cloob
