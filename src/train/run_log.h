// The outputs of a run: metrics, progress, evaluations, the data report and the first batch. Exists only on
// rank 0.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/checkpoint_store.h"
#include "cloob/data/loader/loader.h"
#include "cloob/eval/suite.h"
#include "cloob/report/bound_by.h"
#include "cloob/report/meters.h"
#include "cloob/report/metrics.h"
#include "cloob/report/progress.h"
#include "cloob/report/reporter.h"
#include "cloob/run/run_config.h"
#include "cloob/run/run_directory.h"
#include "cloob/train/train_step.h"
#include "train/chance_watch.h"
#include "train/rank_times.h"
#include "train/retrieval_watch.h"

namespace cloob {

/// Duration of a step, and of waiting for its batch.
struct StepTimes {
  double seconds = 0;
  double wait_seconds = 0;
  std::int64_t ready_batches = 0;
};

class RunLog {
 public:
  /// All arguments passed by reference must outlive this. Removes what a stopped run wrote and this one, which
  /// continues from `resumed`, will write again.
  RunLog(const RunConfig& config, const RunDirectory& directory, const TrainingState& state,
         const Loader& loader, TrainingTask& task, const TrainStep& train_step, c10::Device device,
         std::int64_t total_steps, const std::optional<ResumePoint>& resumed);

  /// Call one of the two after each step. They write the metrics if a line is due.
  void log_skipped_batch();
  void log_step(const StepReport& report, std::int64_t num_samples, const StepTimes& times);
  /// Before a step: the time of each rank for the step before, without waiting for others; 0 if it was skipped.
  void log_ranks(std::span<const double> own_seconds);
  /// What a task measured before an epoch.
  void log_epoch(const EpochReport& report);
  void log_evaluation(const std::vector<EvaluationResult>& results);
  void show(const Progress& progress) { progress_.update(progress); }
  void finish_progress() { progress_.finish(); }
  void write_contact_sheet(const Batch& batch);
  /// Says how the run ended. `best` is its best checkpoint, if it has one.
  void log_end(const std::optional<CheckpointEntry>& best) const;
  /// data_report.json.
  void write_data_report() const;
  /// The same after another failure, which this must not hide.
  void write_data_report_after_failure() const;

  /// The unusable samples since the start of the run, over all restarts.
  BadSampleCounts bad_samples() const;

  /// "run.loss_sum" and "run.loss_count": the losses since the last line of metrics.
  NamedTensors state() const;
  void load_state(const NamedTensors& state);

 private:
  bool line_is_due() const;
  NamedNumbers take_loss();
  void add_step(NamedNumbers& metrics, const StepReport& report) const;
  void write_metrics(NamedNumbers metrics);
  void add_rank_times(NamedNumbers& metrics);
  void add_data_metrics(MetricsRecord& record) const;
  void show_step();
  void watch_chance();
  void watch_retrieval(const NamedNumbers& metrics);
  BoundBy bound_by() const;
  MetricsRecord record(NamedNumbers metrics) const;

  const RunConfig& config_;
  const RunDirectory& directory_;
  const TrainingState& state_;
  const TrainingState earlier_;  ///< the state at the start of this process
  const Loader& loader_;
  TrainingTask& task_;
  const TrainStep& train_step_;
  c10::Device device_;
  std::int64_t total_steps_;
  Reporter reporter_;
  ProgressDisplay progress_;
  StepMeter meter_;
  RankTimes rank_times_;
  double step_seconds_ = 0;  ///< of the last step
  at::Tensor loss_sum_;      ///< fp64, on the device: over the steps since the last line
  std::int64_t loss_count_ = 0;
  std::optional<double> shown_loss_;
  std::optional<double> shown_communication_;
  std::optional<double> shown_chance_;  ///< the loss of chance
  ChanceWatch chance_watch_;
  RetrievalWatch retrieval_watch_;
};

}  // namespace cloob
