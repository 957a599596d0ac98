// results.csv and choices.json: what the runs of a sweep came to.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cloob/ablation/sweep_folder.h"
#include "cloob/ablation/sweep_plan.h"

namespace cloob {

/// results.csv: a row for each run in the order of the plan. The columns of metrics are those of all runs, in alphabetical
/// order. `results` has an entry for every run.
std::string results_csv(const SweepPlan& plan, const std::vector<RunResult>& results);

struct TrialScore {
  std::string run;
  std::map<std::string, std::string> settings;  ///< what was searched
  std::optional<double> score;                  ///< none if the trial failed or its metric is not finite
};

/// What a search came to for one combination of the axes.
struct Choice {
  AxisValues values;
  std::vector<TrialScore> trials;
  std::optional<std::string> chosen;  ///< name of the best trial; none if no trial has a score
};

/// The best trial of every combination; the first of equal ones. `chosen_before` has the choices made earlier, by the name of
/// the combination, which stay with all their scores: the folders of their trials may have been removed.
std::vector<Choice> choose(const SweepPlan& plan, const std::vector<RunResult>& results,
                           const std::map<std::string, Choice>& chosen_before);

/// choices.json.
std::string choices_json(const std::vector<Choice>& choices);
/// The combinations with a chosen trial, by name.
std::map<std::string, Choice> read_choices(const std::string& json, const std::string& file);

}  // namespace cloob
