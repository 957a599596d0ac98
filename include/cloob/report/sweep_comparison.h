// What the runs of a sweep say: means and spreads over seeds, tests against a baseline, and a verdict in words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cloob/report/html_report.h"
#include "cloob/report/statistics.h"
#include "cloob/report/sweep.h"

namespace cloob {

struct SweepOptions {
  std::string compare = {};   ///< the axis whose values are compared; empty: the first
  std::string baseline = {};  ///< the value that the others are compared with; empty: the first that has runs
  std::string metric =
      {};  ///< of the verdict; empty: that of the search, or else the first recall or accuracy
};

/// The runs with one value of the compared axis and the same values of all others.
struct SweepSystem {
  std::size_t block = 0, value = 0;  ///< indices into SweepComparison::blocks and ::values
  std::string sweep = {};            ///< of which it is, if several were joined
  std::vector<const SweepRun*> runs = {};
};

/// One metric of one system, and its test against the baseline over the seeds that both have.
struct SystemResult {
  std::size_t system = 0;  ///< index into SweepComparison::systems
  Summary summary = {};
  std::optional<double> chance = {};
  bool is_at_chance = false;        ///< in the mean over the seeds, as far as that can be told
  bool is_other_objective = false;  ///< a loss that cannot be compared with that of the baseline
  std::optional<PairedTest> test =
      {};  ///< of the differences from the baseline; unset for the baseline itself and other objectives
  double paired_mean = 0, paired_baseline_mean = 0;  ///< over the seeds of `test`; NaN if there are none
  double holm_p = 0;  ///< corrected for all tests of this metric over seeds; NaN without
};

/// The sign test of one value over the blocks.
struct BlockResult {
  std::size_t value = 0;
  PairedTest test = {};  ///< of the mean differences in each block
  double holm_sign_p = 0;
};

struct MetricResult {
  std::string metric = {};
  MetricName name = {};
  std::vector<SystemResult> systems = {};  ///< those that have finished runs with this metric
  std::vector<BlockResult> over_blocks = {};
};

/// The first evaluation at which a curve is as good as a target.
struct Arrival {
  double samples = 0;
  double seconds = 0;  ///< of training and evaluation up to there
};

/// How soon one system, and its baseline, have the value of the main metric that the baseline has at the end.
struct Reaching {
  std::int64_t seed = 0;  ///< if it is of a single pair of runs
  double target = 0;
  std::optional<Arrival> own = {}, baseline = {};  ///< unset: not reached

  /// Of the samples and of the seconds: own / baseline. NaN if there is none.
  double samples_ratio() const;
  double seconds_ratio() const;
};

struct SystemReaching {
  std::size_t system = 0;              ///< index into SweepComparison::systems
  Reaching mean = {};                  ///< of the curves of the mean over the seeds
  std::vector<Reaching> by_seed = {};  ///< each with the baseline's run and final value of the same seed
};

/// A metric that is not a number in a finished run.
struct NotANumber {
  std::string run = {}, metric = {};
};

struct SweepComparison {
  std::string axis = {};                 ///< the compared one
  std::vector<std::string> values = {};  ///< of it, that have runs
  std::vector<std::string> blocks = {};  ///< "model=RN50, data=cc3m"; one empty word with a single axis
  std::vector<std::string> block_axes = {};
  std::size_t baseline = 0;  ///< index into values
  std::vector<std::size_t> shared_baselines =
      {};  ///< systems that are the baseline of all blocks of their sweep, being the only one there
  std::vector<SweepSystem> systems = {};
  std::string main_metric = {};            ///< empty if no finished run has a metric
  std::vector<MetricResult> metrics = {};  ///< by group; the main one is among them
  std::vector<NotANumber> not_numbers = {};
  /// Baselines and what is compared with them, in the order of `systems`. Without those that share no finished seed, losses of
  /// different objectives, and baselines at the level of chance; empty for a metric without a direction.
  std::vector<SystemReaching> reaching = {};

  const MetricResult* main_result() const;
  /// What a system is compared with: the baseline of its block, or else the shared one of its sweep.
  std::optional<std::size_t> baseline_of(const SweepSystem& system) const;
  /// "CLOOB", or "CLOOB (model=RN50)" if there are several blocks.
  std::string label_of(const SweepSystem& system) const;
};

/// Its loss and retrieval, such as "info_loob with hopfield"; empty if its runs do not say. Losses of different objectives have
/// different scales and levels of chance.
std::string objective_of(const SweepSystem& system);

/// Throws UserError if the options name something that the sweep does not have. `sweep` must outlive the result.
SweepComparison compare_sweep(const SweepResults& sweep, const SweepOptions& options);

/// `SweepComparison::reaching` of a comparison that is complete otherwise.
std::vector<SystemReaching> find_reaching(const SweepComparison& comparison);

/// Sentences, the most important first; each is a paragraph of plain text.
std::vector<std::string> sweep_verdict(const SweepResults& sweep, const SweepComparison& comparison);
/// What is missing or odd: failed and waiting runs, values that are not numbers, systems at chance.
std::vector<std::string> sweep_problems(const SweepResults& sweep, const SweepComparison& comparison);

/// What was compared, results, tests, trials, cost, settings that differ.
std::vector<ReportTable> sweep_tables(const SweepResults& sweep, const SweepComparison& comparison);
/// A line for each system and metric, numbers in full.
std::string sweep_csv(const SweepResults& sweep, const SweepComparison& comparison);

/// Curves of all metrics by group, a line for each value (the mean) and a band (from the smallest to the largest seed).
std::vector<Chart> sweep_charts(const SweepComparison& comparison);

}  // namespace cloob
