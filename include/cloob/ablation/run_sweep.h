// Trains the runs of a sweep, each as a process of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/ablation/results.h"
#include "cloob/ablation/sweep_folder.h"
#include "cloob/ablation/sweep_plan.h"
#include "cloob/base/child_process.h"

namespace cloob {

struct RunSweepOptions {
  std::filesystem::path program;  ///< this one
  std::int64_t parallel = 1;      ///< runs at once
  /// Of a machine with GPUs: values of CUDA_VISIBLE_DEVICES that the slots take in turn.
  std::vector<std::string> gpus = {};
  std::string only = {};  ///< the one run to train; empty: all
};

struct SweepOutcome {
  int stop_signal = 0;                  ///< that ended it early
  std::vector<RunResult> results = {};  ///< of every run of the plan
  std::vector<Choice> choices = {};     ///< once all trials have ended
};

/// Writes the plan into the folder. Throws UserError, with what differs, if it holds another one.
void write_plan(const SweepPlan& plan, const SweepFolder& folder);

/// Trains all runs that are not done, the trials first; continues those that were stopped. A run that fails does not stop the
/// others. results.csv is written again after each.
SweepOutcome run_sweep(const SweepPlan& plan, const SweepFolder& folder, const RunSweepOptions& options,
                       const SignalQueue& signals);

/// The results so far.
std::vector<RunResult> read_results(const SweepPlan& plan, const SweepFolder& folder);

}  // namespace cloob
