// Trains one task: the training loop, and how a run starts, resumes and ends.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/base/timer.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/checkpoint_store.h"
#include "cloob/device/streams.h"
#include "cloob/eval/suite.h"
#include "cloob/run/run_config.h"
#include "cloob/run/run_directory.h"
#include "cloob/task/training_task.h"
#include "cloob/text/tokenizer.h"
#include "cloob/train/resume.h"
#include "cloob/train/train_step.h"

namespace cloob {

class Memory;

class BatchFeed;
class RunLog;
class RunSchedule;
class StepProfile;
struct DeliveredBatch;
struct RunProgress;
struct StepDecision;

/// How a run ended.
struct RunResult {
  std::int64_t steps = 0;  ///< optimizer steps since the start of the run, over all restarts
  int stop_signal = 0;     ///< the signal that stopped it before its end, or 0
};

/// The starting point of a run.
struct RunStart {
  const RunDirectory* directory = nullptr;  ///< on rank 0, the only one that writes; null on other ranks
  ExistingRun existing = ExistingRun::keep;
  std::optional<Checkpoint> resumed;
};

/// A training run on one rank.
class Trainer {
 public:
  /// Opens the data, creates the task that `config.task` names, restores `start.resumed` if there is one, and
  /// only then modifies the content of the folder according to `start.existing`. `config`, the folder and
  /// `collectives` must outlive this. Throws UserError.
  Trainer(const RunConfig& config, const RunStart& start, const Collectives& collectives);
  /// The same for a given task.
  Trainer(const RunConfig& config, const RunStart& start, const Collectives& collectives,
          std::unique_ptr<TrainingTask> task);
  ~Trainer();
  Trainer(const Trainer&) = delete;  // its members refer to each other
  Trainer& operator=(const Trainer&) = delete;

  /// Makes `run` profile this many of its first steps, print a table and write `trace.json`.
  void profile_steps(std::int64_t num_steps);

  /// Trains to the end of the schedule, or until a stop signal, and saves. Throws UserError if training
  /// becomes unstable, if too many samples are unusable, or if a checkpoint or a report cannot be written.
  RunResult run();

 private:
  // Start of a run.
  void restore(const Checkpoint& checkpoint);
  void seed_random_numbers(std::int64_t step) const;
  void claim_folder(const RunStart& start);
  void describe_device() const;
  void warn_of_odd_settings() const;

  // The training loop.
  RunResult train();
  int train_steps();
  std::optional<DeliveredBatch> next_batch(std::exception_ptr& error);
  bool begin_epoch_if_due();
  EpochReport begin_epoch(std::int64_t epoch, const Collectives& collectives);
  template <class Work>
  auto together(const Work& work);
  void step(const DeliveredBatch& delivered, const StepDecision& decision, const Timer& timer);
  void skip(const StepDecision& decision);
  void count(const StepDecision& decision);
  bool evaluate();
  std::vector<EvaluationResult> measure(const std::vector<const SuiteEntry*>& due);
  void save();
  void wait_until_saved() const;
  [[noreturn]] void end_after_failure(const std::exception_ptr& own);
  bool writes_parts() const;
  Checkpoint checkpoint_with(NamedTensors state_of_step) const;
  void roll_back();

  RunProgress progress() const;
  RunPosition position() const;
  bool evaluation_is_due() const;
  std::optional<CheckpointEntry> checkpoint_to_return_to() const;
  bool save_is_due(bool by_clock) const;

  const RunConfig& config_;
  const Collectives& collectives_;
  const RunDirectory* directory_;
  c10::Device device_;
  ComputeStream compute_stream_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string tokenizer_model_;  ///< the file's bytes, for checkpoints; empty with CLIP's tokenizer
  std::unique_ptr<BatchFeed> feed_;
  std::shared_ptr<const Memory> memory_;             ///< that the task retrieves from, or null
  std::shared_ptr<const Memory> evaluation_memory_;  ///< another one for evaluations, or null
  std::unique_ptr<TrainingTask> task_;
  TrainStep train_step_;
  EvaluationSuite suite_;
  FeatureEncoder encoder_;

  TrainingState state_;
  std::int64_t begun_epoch_ = -1;     ///< the last one that this process began
  std::int64_t rolled_back_at_ = -1;  ///< the step at which the weights were last rolled back, -1 if never
  std::unique_ptr<RunSchedule> schedule_;
  ScheduleConfig lr_schedule_;
  std::unique_ptr<CheckpointStore> checkpoints_;  ///< on rank 0
  std::unique_ptr<RunLog> log_;                   ///< on rank 0
  std::unique_ptr<StepProfile> profile_;          ///< null without profiling
  Timer since_save_;
  double own_seconds_ = 0;        ///< of the last step, without waiting for other ranks
  std::int64_t num_skipped_ = 0;  ///< steps of this process that had too few usable pairs
  std::int64_t saved_step_ = -1;
  int evaluation_signal_ = 0;  ///< the signal, to any rank, that interrupted the last evaluation
};

}  // namespace cloob
