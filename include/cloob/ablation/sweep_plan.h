// The plan of a sweep with the settings of every run: what plan.json holds, and from which every run starts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cloob/ablation/plan.h"
#include "cloob/ablation/sweep_config.h"
#include "cloob/base/collectives.h"
#include "cloob/run/run_config.h"

namespace cloob {

/// What is the same for all runs and would follow from the machine otherwise, so that a result depends neither on how many
/// run at once nor on where a sweep is continued.
struct FixedSettings {
  std::int64_t threads = 1;
  DeviceChoice device = DeviceChoice::cpu;
  Precision precision = Precision::fp32;  ///< of runs that do not set it
};

struct ResolvedRun {
  PlannedRun run;
  RunConfig config;                             ///< of a final run with a search: without what is searched
  std::map<std::string, std::string> settings;  ///< of the run alone: those of its variant and its trial
  std::optional<std::int64_t> steps = {};       ///< known after `check_sweep`
};

struct SweepPlan {
  Sweep sweep;
  FixedSettings fixed;
  std::map<std::string, std::string> base_settings;  ///< of all runs, where they differ from the program's
  std::vector<std::string> from_machine;  ///< settings of `fixed` that the sweep leaves to the machine
  std::vector<ResolvedRun> runs;
};

/// The settings of all runs, also of each final run with everything that its search may choose. Reads no data. `earlier` is
/// of the plan that the folder holds already. Throws UserError that names the run.
SweepPlan resolve_plan(const Sweep& sweep, const std::optional<FixedSettings>& earlier);

/// The settings of a final run with what was chosen for its variant.
RunConfig final_config(const SweepPlan& plan, const PlannedRun& run, const SweepSettings& chosen);

/// The values of these settings as config.yaml has them, by dotted name.
std::map<std::string, std::string> values_of(const SweepSettings& settings, const RunConfig& config);

/// What is known about the runs before the first one starts.
struct SweepCheck {
  std::vector<std::string> errors;  ///< each names a run
  std::vector<std::string> warnings;
};

/// Opens the data and the evaluations of every run as its start does, once for runs with the same, and sets the number of
/// steps. `only` is the name of the run to check, or empty for all.
SweepCheck check_sweep(SweepPlan& plan, const std::string& only, const Collectives& collectives);

/// plan.json.
std::string plan_json(const SweepPlan& plan);
FixedSettings read_fixed_settings(const std::string& json, const std::string& file);
/// In which way the plan of a folder differs from this one, in one line each; empty if it does not.
std::vector<std::string> plan_differences(const std::string& earlier_json, const std::string& json,
                                          const std::string& file);

}  // namespace cloob
