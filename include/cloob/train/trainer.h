// Trains one model: the loop, and the state that lets it go on where it stopped.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cloob/base/timer.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/checkpoint_store.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/loader.h"
#include "cloob/data/source.h"
#include "cloob/nn/streams.h"
#include "cloob/report/bound_by.h"
#include "cloob/report/meters.h"
#include "cloob/report/metrics.h"
#include "cloob/report/progress.h"
#include "cloob/report/reporter.h"
#include "cloob/text/tokenizer.h"
#include "cloob/train/resume.h"
#include "cloob/train/run_config.h"
#include "cloob/train/run_directory.h"
#include "cloob/train/train_step.h"
#include "cloob/train/validation.h"

namespace cloob {

class StepProfile;

/// How a run ended.
struct RunResult {
  std::int64_t steps = 0;  ///< optimizer steps since the very beginning
  int stop_signal = 0;     ///< the signal that stopped it before its end, or 0
};

/// Everything that one training run is made of.
class Trainer {
 public:
  /// Opens the data, builds the model, goes on from `resumed` if that is given, and only then touches what
  /// the folder holds, as `existing` says. Throws UserError.
  Trainer(const RunConfig& config, const RunDirectory& directory, ExistingRun existing,
          const std::optional<Checkpoint>& resumed);

  /// Lets `run` profile this many steps of its first ones, print a table and write `trace.json`.
  void profile_steps(std::int64_t num_steps);

  /// Trains to the end of the schedule, or until SIGINT or SIGTERM, and saves. Throws UserError when training
  /// becomes unstable, when too much of the data is unusable, and when a checkpoint or a report cannot be
  /// written.
  RunResult run();

 private:
  // What getting its batch was like.
  struct DataDelivery {
    double wait_seconds = 0;
    std::int64_t ready_batches = 0;  // before it
  };

  RunResult train();
  bool step();
  void copy_next_images();
  void skip(const Batch& batch);
  void after_skipped_step(const StepReport& report);
  void roll_back();
  void count(const Batch& batch);
  void observe(const StepReport& report, double step_seconds, const DataDelivery& data);
  void write_metrics(const StepReport& report);
  void show_progress();
  BadSampleCounts bad_samples() const;
  BoundBy bound_by() const;
  void add_data_metrics(MetricsRecord& record) const;
  void write_data_report() const;
  void write_data_report_after_failure() const;
  bool validate();
  NamedNumbers measure();
  void save();
  TrainingState restore(const Checkpoint& checkpoint);
  RunPosition position() const;
  void describe_device() const;
  void warn_of_odd_settings() const;
  void write_contact_sheet(const Batch& batch);

  bool evaluation_is_due() const;
  bool save_is_due() const;
  bool at_end_of_epoch(std::int64_t every_epochs) const;
  MetricsRecord record(NamedNumbers metrics) const;

  RunConfig config_;
  const RunDirectory& directory_;
  c10::Device device_;
  ComputeStream compute_stream_;
  BackgroundCopy image_copy_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string tokenizer_model_;  ///< the file's bytes, for checkpoints; empty with CLIP's tokenizer
  Loader loader_;
  TrainStep train_step_;
  Validation validation_;
  // Before `state_`, whose `restore` sets them.
  at::Tensor loss_sum_;  ///< fp64, on the device: of the steps since the last report
  std::int64_t loss_count_ = 0;
  std::int64_t rolled_back_at_ = -1;  ///< the step at which the weights last went back, -1 if never
  TrainingState state_;
  const TrainingState earlier_;  ///< the state at the beginning of this process
  std::int64_t total_steps_;
  // From here on the run's folder is written to.
  CheckpointStore checkpoints_;
  Reporter reporter_;
  ProgressDisplay progress_;
  StepMeter meter_;
  std::optional<double> shown_loss_;
  Timer since_save_;
  std::int64_t saved_step_ = -1;
  std::shared_ptr<StepProfile> profile_;  ///< null without one
};

}  // namespace cloob
