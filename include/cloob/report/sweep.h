// The folder of a sweep: its plan, what was chosen by its trials, and its runs as far as they are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cloob/report/metric_names.h"
#include "cloob/report/metrics.h"

namespace cloob {

struct SweepAxis {
  std::string name = {};
  std::vector<std::string> values = {};
};

/// How the settings of each variant were searched.
struct SweepSearch {
  std::string metric = {};
  Better better = Better::higher;
  std::int64_t num_trials = 0;  ///< of each variant; 0 if joined sweeps differ in it
};

struct SweepRun {
  std::string name = {};
  std::filesystem::path folder = {};
  bool is_trial = false;
  std::vector<std::string> values = {};  ///< one for each axis; empty if the axis does not apply
  std::int64_t seed = 0;
  std::map<std::string, std::string> settings = {};  ///< that the plan gives it
  std::map<std::string, std::string> config =
      {};                          ///< all of its config.yaml; `read_sweep_results` leaves it empty
  std::string status = "waiting";  ///< as in results.csv: done, failed, stopped, waiting
  std::optional<std::int64_t> steps = {};
  std::optional<double> samples_per_second = {};
  std::map<std::string, double> metrics = {};   ///< of the last evaluation
  std::vector<MetricsRecord> records = {};      ///< metrics.jsonl
  std::vector<MetricsRecord> evaluations = {};  ///< with the names of metrics.jsonl
  std::vector<std::string> judged_on =
      {};  ///< canonical names of the data on which the metric of the search was measured; as `config`
  std::string problem = {};  ///< why the files of the run could not be read; empty if they could

  bool is_done() const { return status == "done"; }
  /// Of `config`, or else of `settings`; empty if neither has it.
  std::string setting(const std::string& name) const;
  /// The last value in its evaluations or records, or in `metrics`.
  std::optional<double> last_value(const std::string& metric) const;
};

struct SweepTrial {
  std::string run = {};
  std::map<std::string, std::string> settings = {};
  std::optional<double> score = {};
};

/// The trials of one variant.
struct SweepChoice {
  std::vector<std::string> values = {};
  std::string chosen = {};                           ///< name of the trial; empty if none could be chosen
  std::map<std::string, std::string> settings = {};  ///< of the chosen trial
  std::vector<SweepTrial> trials = {};
};

struct SweepResults {
  std::filesystem::path folder = {};
  std::string name = {}, base = {};
  std::vector<SweepAxis> axes = {};  ///< at least one: without axes in the plan, "variant" with one value
  std::vector<std::int64_t> seeds = {};
  std::optional<SweepSearch> search = {};
  std::string threads = {}, precision = {},
              device = {};  ///< of every run; empty if the plan does not fix them
  std::vector<SweepRun> runs = {};
  std::vector<SweepChoice> choices = {};
  bool is_joined = false;  ///< the last axis is that of `join_sweeps`

  /// The runs whose results count, in the order of the plan.
  std::vector<const SweepRun*> finals() const;
};

/// Whether a folder is that of a sweep: it has a plan.json.
bool is_sweep(const std::filesystem::path& folder);

/// Reads the folder that `cloob ablate` writes, finished or not. Throws UserError that names the file for one that cannot be
/// read; files of single runs that cannot be read are noted in `SweepRun::problem`.
SweepResults read_sweep_results(const std::filesystem::path& folder);

/// Several sweeps with the same axes as one, with a further axis "sweep". Throws UserError.
SweepResults join_sweeps(std::vector<SweepResults> sweeps);

}  // namespace cloob
