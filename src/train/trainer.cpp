#include "cloob/train/trainer.h"

#include <ATen/Context.h>
#include <ATen/record_function.h>
#include <fmt/core.h>

#include <chrono>
#include <exception>
#include <functional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/rank_failure.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/sharded_training.h"
#include "cloob/checkpoint/share_checkpoint.h"
#include "cloob/config/config.h"
#include "cloob/device/device.h"
#include "cloob/optim/schedule.h"
#include "cloob/run/import_model.h"
#include "cloob/run/open_memory.h"
#include "cloob/train/stop_signal.h"
#include "train/activity.h"
#include "train/batch_feed.h"
#include "train/common_failure.h"
#include "train/data_report.h"
#include "train/odd_settings.h"
#include "train/rollback.h"
#include "train/run_log.h"
#include "train/run_schedule.h"
#include "train/saved_run.h"
#include "train/step_decision.h"
#include "train/step_profile.h"
#include "train/training_parts.h"

namespace cloob {
namespace {

std::optional<ResumePoint> resume_point(const RunStart& start) {
  if (!start.resumed) return std::nullopt;
  const TrainingState& state = start.resumed->state;
  return ResumePoint{.step = state.step, .is_evaluated = state.evaluated_step == state.step};
}

// All ranks have made the same, unless their files or libraries differ.
std::unique_ptr<TrainingTask> with_weights_of_rank_0(std::unique_ptr<TrainingTask> task,
                                                     const Collectives& collectives) {
  collectives.broadcast(task->weights());
  collectives.broadcast(task->state());
  return task;
}

// A signal to any rank came before an epoch could begin.
class EpochStopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped"; }
};

std::string tokenizer_model_of(const TextConfig& text) {
  return text.tokenizer == TokenizerKind::sentencepiece ? read_file(text.model_file) : "";
}

}  // namespace

Trainer::Trainer(const RunConfig& config, const RunStart& start, const Collectives& collectives)
    : Trainer(config, start, collectives, nullptr) {}

Trainer::Trainer(const RunConfig& config, const RunStart& start, const Collectives& collectives,
                 std::unique_ptr<TrainingTask> task)
    : config_(config),
      collectives_(collectives),
      directory_(start.directory),
      device_(select_device(config.train.device)),
      compute_stream_(device_),
      tokenizer_(make_tokenizer(config.text)),
      tokenizer_model_(tokenizer_model_of(config.text)),
      feed_(std::make_unique<BatchFeed>(make_train_loader(config, tokenizer_, collectives), device_)),
      memory_(config.task.kind == TaskKind::reco ? open_memory(config.reco.memory) : nullptr),
      evaluation_memory_(config.task.kind == TaskKind::reco ? open_memory(config.reco.evaluation_memory)
                                                            : nullptr),
      task_(with_weights_of_rank_0(
          task ? std::move(task)
               : make_task(task_settings(config),
                           start.resumed ? StartingWeights() : read_starting_weights(config), collectives,
                           device_, {.training = memory_, .evaluation = evaluation_memory_}),
          collectives)),
      train_step_(config, *task_, collectives, device_),
      suite_(make_run_suite(config)),
      encoder_(task_->feature_model(), config.image, tokenizer_) {
  require_same_data(feed_->loader(), collectives_);
  encoder_.require_texts();
  if (start.resumed) {
    restore(*start.resumed);
  } else {
    seed_random_numbers(/*step=*/0);
  }
  for (const auto& memory : {memory_, evaluation_memory_}) {
    require_same_memory(memory, collectives_);
    if (memory) require_memory_of(*memory, task_->weights(), config, /*has_tokenizer=*/true);
  }
  schedule_ = std::make_unique<RunSchedule>(config.checkpoint, suite_, config.eval.before_training,
                                            total_steps(config.train, position()));
  lr_schedule_ = lr_schedule(config, schedule_->total_steps(), state_.step, feed_->loader());
  if (directory_ != nullptr) claim_folder(start);
  if (writes_parts())
    require_shared_folder(directory_ != nullptr ? directory_->checkpoints() : "", collectives);
}

Trainer::~Trainer() = default;

void Trainer::profile_steps(std::int64_t num_steps) {
  if (directory_ != nullptr)
    profile_ = std::make_unique<StepProfile>(num_steps, device_, directory_->trace());
}

void Trainer::restore(const Checkpoint& checkpoint) {
  require_same_tokenizer(checkpoint, config_.text, tokenizer_model_);
  train_step_.load_state(checkpoint.weights, checkpoint.training);
  seed_random_numbers(checkpoint.state.step);
  restore_random_numbers(checkpoint, device_, collectives_);
  seek(feed_->loader(), checkpoint.state, config_.data.allow_reordering);
  rolled_back_at_ = saved_rollback(checkpoint);
  state_ = checkpoint.state;
}

// Each rank needs different random numbers, for example for dropped patches, and others than before the step.
void Trainer::seed_random_numbers(std::int64_t step) const {
  at::manual_seed(static_cast<std::uint64_t>(config_.train.seed + collectives_.rank() +
                                             step * collectives_.world_size()));
}

// From here on the run writes to its folder.
void Trainer::claim_folder(const RunStart& start) {
  if (start.existing == ExistingRun::remove_measurements) directory_->remove_measurements();
  if (start.existing == ExistingRun::remove) directory_->remove_run();
  checkpoints_ = std::make_unique<CheckpointStore>(directory_->checkpoints(), config_.checkpoint);
  checkpoints_->supersede_after(state_.step);
  log_ = std::make_unique<RunLog>(config_, *directory_, state_, feed_->loader(), *task_, train_step_, device_,
                                  schedule_->total_steps(), resume_point(start));
  if (start.resumed) log_->load_state(start.resumed->training);
  write_file_atomically(directory_->config_file(), print_config(config_));
}

RunResult Trainer::run() {
  RunResult result;
  try {
    result = train();
  } catch (...) {
    if (log_) log_->write_data_report_after_failure();
    throw;
  }
  if (log_) log_->write_data_report();
  return result;
}

RunResult Trainer::train() {
  const StopSignal signal{std::chrono::seconds(config_.distributed.save_grace_seconds)};
  const Loader& loader = feed_->loader();
  log_info("train", "{} pairs, {} steps of {} pairs, {} steps per epoch{}",
           with_thousands(loader.samples_per_epoch()), with_thousands(schedule_->total_steps()),
           with_thousands(config_.train.global_batch_size), with_thousands(loader.batches_per_epoch()),
           state_.step > 0 ? fmt::format(", continuing after step {}", with_thousands(state_.step)) : "");
  describe_device();
  warn_of_odd_settings();
  since_save_.restart();
  // Repeats an evaluation that was interrupted by a signal, and saves its missing metrics in the checkpoint.
  if (evaluation_is_due() && evaluate() && state_.step > 0) save();
  const int received = train_steps();
  if (log_) log_->finish_progress();
  const bool is_complete = state_.step == schedule_->total_steps() && !evaluation_is_due();
  const int stop_signal = is_complete ? 0 : std::max(received, evaluation_signal_);
  if (stop_signal != 0 && saved_step_ != state_.step) save();
  if (stop_signal != 0) wait_until_saved();
  train_step_.settle();
  if (profile_) profile_->finish();
  if (stop_signal == 0 && state_.step > 0 && num_skipped_ == state_.step) {
    throw_user_error(
        "none of the {} steps trained the model: every batch had fewer usable pairs than the loss needs",
        with_thousands(state_.step));
  }
  if (log_ && stop_signal == 0) log_->log_end(checkpoints_->best());
  return {state_.step, stop_signal};
}

// Returns the signal that stopped it, or 0.
int Trainer::train_steps() {
  while (state_.step < schedule_->total_steps()) {
    if (profile_) profile_->begin_step();
    if (!begin_epoch_if_due()) return static_cast<int>(collectives_.max(StopSignal::received()));
    const Timer timer;
    const double waited = collectives_.communication().seconds;
    std::exception_ptr error;
    const std::optional<DeliveredBatch> delivered = next_batch(error);
    const StepDecision decision = decide({.has_failed = error != nullptr,
                                          .stop_signal = StopSignal::received(),
                                          .save_is_due = schedule_->save_is_due(since_save_.seconds()),
                                          .num_samples = delivered ? delivered->batch.size() : 0,
                                          .num_bad = delivered ? delivered->batch.num_bad : 0,
                                          .own_seconds = std::exchange(own_seconds_, 0)},
                                         collectives_);
    if (log_) log_->log_ranks(decision.own_seconds);
    if (decision.has_failure || decision.stop_signal != 0) {
      if (delivered) feed_->loader().unread();
      if (decision.has_failure) end_after_failure(error);
      return decision.stop_signal;
    }
    CLOOB_CHECK(delivered, "a batch is missing although no rank was asked to stop");
    if (decision.num_samples < task_->min_samples()) {
      skip(decision);
    } else {
      step(*delivered, decision, timer);
      own_seconds_ = timer.seconds() - (collectives_.communication().seconds - waited);
    }
    if (profile_) {
      train_step_.settle();  // so that a GPU computes each step while it is profiled
      profile_->end_step();
      if (profile_->is_finished()) profile_.reset();
    }
    if (log_ && schedule_->ends_epoch(progress())) log_->write_data_report();
    if (evaluation_is_due()) evaluate();
    if (save_is_due(decision.saves)) save();
  }
  return 0;
}

// Nothing if the program was asked to stop, or after an error.
std::optional<DeliveredBatch> Trainer::next_batch(std::exception_ptr& error) {
  const Activity activity(collectives_, RankActivity::data);
  try {
    return feed_->next(train_step_.reads_images_on_host());
  } catch (const std::exception&) {
    error = std::current_exception();
    return std::nullopt;
  }
}

// Before a rank ends: launchers end all soon after the first one has ended, and rank 0 may still be writing.
void Trainer::wait_until_saved() const { collectives_.max(0); }

// All ranks are here after an error of some; `own` is that of this one, or null. It must not lose the training before it.
void Trainer::end_after_failure(const std::exception_ptr& own) {
  try {
    if (state_.step > 0 && saved_step_ != state_.step) save();
  } catch (const std::exception& error) {
    if (!own) throw;
    log_warning("checkpoint", "step {} was not saved: {}", with_thousands(state_.step), error.what());
    std::rethrow_exception(own);
  }
  if (own) {
    try {
      wait_until_saved();
    } catch (const RankFailure&) {  // the own failure came first
    }
    std::rethrow_exception(own);
  }
  wait_until_saved();
  collectives_.max(0);  // throws RankFailure, with the reason, when the rank that has failed ends
  throw InternalError("a rank that has failed did not end");
}

// Does work that all ranks do together. If one fails, all save and end.
template <class Work>
auto Trainer::together(const Work& work) {
  const TellingCollectives collectives(collectives_);
  std::exception_ptr error;
  try {
    auto result = work(collectives);
    collectives.ask();
    return result;
  } catch (const EvaluationStopped&) {
    throw;
  } catch (const EpochStopped&) {
    throw;
  } catch (const RankFailure&) {
    throw;  // nothing more can be done together
  } catch (const OtherRankFailed&) {
  } catch (const std::exception&) {
    error = std::current_exception();
    collectives.tell();
  }
  end_after_failure(error);
}

// Returns false if a signal to any rank interrupted it; the resumed run begins the epoch again.
bool Trainer::begin_epoch_if_due() {
  const Loader& loader = feed_->loader();
  const std::int64_t epoch = loader.epoch();
  const bool is_ready = task_->has_begun(epoch);
  if (is_ready && (epoch == begun_epoch_ || !loader.begins_epoch())) return true;
  const Timer timer;
  const Activity activity(collectives_, RankActivity::data);  // a task may read all data here
  train_step_.settle();
  try {
    const EpochReport report =
        together([&](const Collectives& collectives) { return begin_epoch(epoch, collectives); });
    state_.time_s += timer.seconds();
    begun_epoch_ = epoch;
    if (log_ && !report.metrics.empty()) log_->log_epoch(report);
    return true;
  } catch (const EpochStopped&) {
    log_info("train", "stopped before epoch {}, which a resumed run begins again", epoch);
    return false;
  }
}

EpochReport Trainer::begin_epoch(std::int64_t epoch, const Collectives& collectives) {
  const Loader& loader = feed_->loader();
  const auto check_stop = [&] {
    if (collectives.max(StopSignal::received()) != 0) throw EpochStopped();
  };
  const auto for_each_batch = [&](PassOver samples, Purpose transform,
                                  const std::function<void(const Batch&)>& visit) {
    const std::unique_ptr<Loader> pass =
        make_extra_pass(config_, tokenizer_, loader, samples, transform, collectives_);
    if (samples == PassOver::epoch) pass->seek(epoch * pass->places_per_epoch());
    const std::int64_t num_batches = pass->batches_per_epoch();
    for (std::int64_t done = 0; done < num_batches; ++done) {
      visit(pass->next());
      if (log_)
        log_->show({.label = samples == PassOver::epoch ? "episode" : "samples",
                    .step = done + 1,
                    .num_steps = num_batches});
      check_stop();
    }
  };
  return task_->begin_epoch({.epoch = epoch,
                             .num_epochs = num_epochs(schedule_->total_steps(), state_.step, loader),
                             .source = loader.source(),
                             .order = loader.order(),
                             .collectives = collectives,
                             .for_each_batch = for_each_batch,
                             .check_stop = check_stop});
}

void Trainer::step(const DeliveredBatch& delivered, const StepDecision& decision, const Timer& timer) {
  if (state_.step == 0 && delivered.batch.size() > 0 && log_ && reads_samples(config_.task.kind)) {
    Batch shown = delivered.batch;
    shown.images_BCHW = delivered.images_on_host;
    log_->write_contact_sheet(shown);
  }
  const LearningRates lr = learning_rates_at(lr_schedule_, config_.optimizer.lr, config_.reference,
                                             state_.step, schedule_->total_steps());
  train_step_.forward_backward(delivered.batch, state_.step);
  feed_->start_next_copy(train_step_.reads_images_on_host());
  const StepReport report = train_step_.update(lr);
  RECORD_USER_SCOPE("report");
  count(decision);
  if (report.is_skipped) {
    const SpikeGuard& spike_guard = *train_step_.spike_guard();
    warn_of_skipped_step(state_.step, report, spike_guard);
    if (spike_guard.skipped_in_a_row() >= config_.optimizer.spike_guard.rollback_after_steps) roll_back();
  }
  const double seconds = timer.seconds();
  state_.time_s += seconds;
  if (log_)
    log_->log_step(report, decision.num_samples, {seconds, delivered.wait_seconds, delivered.ready_batches});
}

void Trainer::count(const StepDecision& decision) {
  ++state_.step;
  state_.samples_seen += decision.num_samples;
  state_.bad_samples += decision.num_bad;
}

// A batch with too few usable samples counts as a step of the schedule but does not train.
void Trainer::skip(const StepDecision& decision) {
  count(decision);
  ++num_skipped_;
  log_warning("train", "step {} skipped: {} usable pairs in the batch, {} unusable",
              with_thousands(state_.step), decision.num_samples, decision.num_bad);
  if (log_) log_->log_skipped_batch();
}

void Trainer::roll_back() {
  const SpikeGuard& guard = *train_step_.spike_guard();
  const auto target = checkpoint_to_return_to();
  if (collectives_.max(target ? 1 : 0) == 0) throw_no_rollback_target(state_.step, guard, rolled_back_at_);
  std::optional<Checkpoint> checkpoint;
  if (target) checkpoint = load_checkpoint(target->path, CheckpointPart::everything);
  checkpoint = share_checkpoint(std::move(checkpoint), collectives_);
  train_step_.roll_back(checkpoint->weights, checkpoint->training);
  if (target) {
    log_warning("train",
                "step {}: the weights and the optimizer were rolled back to {}; data and schedule continue",
                with_thousands(state_.step), target->path.string());
  }
  rolled_back_at_ = state_.step;
}

// Returns false if a signal to any rank interrupted it; the resumed run repeats the evaluation.
bool Trainer::evaluate() {
  const Timer timer;
  const Activity activity(collectives_, RankActivity::evaluation);
  try {
    const std::vector<EvaluationResult> results = measure(schedule_->due_evaluations(progress()));
    state_.time_s += timer.seconds();
    state_.evaluated_step = state_.step;
    state_.metrics.clear();
    for (const EvaluationResult& result : results)
      state_.metrics.insert(result.metrics.begin(), result.metrics.end());
    if (log_) log_->log_evaluation(results);
    return true;
  } catch (const EvaluationStopped&) {
    evaluation_signal_ = static_cast<int>(collectives_.max(StopSignal::received()));
    log_info("eval", "stopped; a resumed run evaluates step {} again", with_thousands(state_.step));
    return false;
  }
}

// A failing evaluation must not lose the training before it.
std::vector<EvaluationResult> Trainer::measure(const std::vector<const SuiteEntry*>& due) {
  train_step_.settle();
  return together([&](const Collectives& collectives) {
    const auto averaged = train_step_.use_weights_to_evaluate();
    collectives.broadcast(train_step_.buffers());
    EncodeOptions options{.precision = precision_of(config_.train),
                          .batch_size = config_.eval.batch_size,
                          .data = config_.data};
    options.stop_requested = [] { return StopSignal::received() != 0; };
    if (log_) options.report = [this](const Progress& current) { log_->show(current); };
    std::vector<EvaluationResult> results;
    for (const SuiteEntry* entry : due) results.push_back(suite_.run(*entry, encoder_, options, collectives));
    return results;
  });
}

// Whether each rank writes its part of a checkpoint.
bool Trainer::writes_parts() const { return config_.checkpoint.sharded && collectives_.world_size() > 1; }

void Trainer::save() {
  train_step_.settle();  // waits for other ranks on a GPU, which is not part of saving
  const Activity activity(collectives_, RankActivity::checkpoint);
  since_save_.restart();
  saved_step_ = state_.step;
  const bool is_sharded = writes_parts();
  TrainStep::SplitState state;
  if (is_sharded) {
    state = train_step_.split_state();
  } else {
    state.whole = train_step_.state();
  }
  state.whole.merge(random_numbers(device_, collectives_));
  if (!checkpoints_) {
    if (is_sharded) write_part_of_checkpoint(state.parts, collectives_);
    return;
  }
  directory_->require_present();
  const Checkpoint checkpoint = checkpoint_with(std::move(state.whole));
  const auto target = checkpoint_to_return_to();  // must outlive a checkpoint that is saved for a stop
  const auto also_keep = target ? std::optional(target->step) : std::nullopt;
  const auto folder = is_sharded
                          ? checkpoints_->save_sharded(checkpoint, state.parts, collectives_, also_keep)
                          : checkpoints_->save(checkpoint, also_keep);
  log_info("checkpoint", "step {} saved in {}", with_thousands(state_.step), folder.string());
  log_->write_data_report();
  since_save_.restart();
}

Checkpoint Trainer::checkpoint_with(NamedTensors state_of_step) const {
  Checkpoint checkpoint;
  checkpoint.weights = train_step_.weights();
  checkpoint.weights_metadata = weights_metadata(config_);
  checkpoint.config_yaml = print_config(config_);
  checkpoint.tokenizer_model = tokenizer_model_;
  checkpoint.state = state_;
  checkpoint.state.bad_samples_by_kind = tallies_by_id(log_->bad_samples());
  checkpoint.state.data_position = feed_->loader().position();
  checkpoint.state.data_size = feed_->loader().places_per_epoch();
  checkpoint.state.data_ranks = feed_->loader().order().shares().ranks();
  if (state_.evaluated_step != state_.step) checkpoint.state.metrics.clear();  // they belong to other weights
  checkpoint.training = std::move(state_of_step);
  checkpoint.training.merge(log_->state());
  add_rollback(checkpoint, rolled_back_at_);
  return checkpoint;
}

// While steps are being skipped, on rank 0.
std::optional<CheckpointEntry> Trainer::checkpoint_to_return_to() const {
  const auto& guard = train_step_.spike_guard();
  if (directory_ == nullptr || !guard || guard->skipped_in_a_row() == 0) return std::nullopt;
  return rollback_target(directory_->checkpoints(), *guard, rolled_back_at_);
}

bool Trainer::evaluation_is_due() const {
  return state_.evaluated_step != state_.step && !schedule_->due_evaluations(progress()).empty();
}

bool Trainer::save_is_due(bool by_clock) const {
  // While steps are being skipped the weights do not change; saving them would evict the checkpoints to roll
  // back to.
  const auto& guard = train_step_.spike_guard();
  if (guard && guard->skipped_in_a_row() > 0 && state_.step != schedule_->total_steps()) return false;
  const bool may_be_best =
      state_.evaluated_step == state_.step && state_.metrics.contains(config_.checkpoint.best_metric);
  return by_clock || schedule_->save_is_due(progress(), may_be_best);
}

RunProgress Trainer::progress() const {
  const Loader& loader = feed_->loader();
  return {.step = state_.step,
          .epochs_done = loader.epochs_done(),
          .episode = loader.order().passes_per_epoch(),
          .ends_episode = loader.begins_epoch()};
}

RunPosition Trainer::position() const {
  const Loader& loader = feed_->loader();
  return {.step = state_.step,
          .samples = state_.samples_seen + state_.bad_samples,
          .epoch = loader.epoch(),
          .batches_left = loader.batches_left(),
          .batches_per_epoch = loader.batches_per_epoch(),
          .passes_per_epoch = loader.order().passes_per_epoch()};
}

void Trainer::describe_device() const {
  log_info("train", "training on the {} in {}",
           device_.is_cpu() ? fmt::format("CPU ({})", counted(num_threads(), "thread")) : "GPU",
           enum_name(precision_of(config_.train)));
}

void Trainer::warn_of_odd_settings() const {
  for (const std::string& warning : odd_settings(config_, state_.step, schedule_->total_steps(), device_))
    log_warning("train", "{}", warning);
  const std::int64_t epochs = num_epochs(schedule_->total_steps(), state_.step, feed_->loader());
  if (const auto warning = odd_episodes(config_, epochs)) log_warning("train", "{}", *warning);
}

}  // namespace cloob
