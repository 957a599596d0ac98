#include "cloob/train/trainer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/record_function.h>
#include <fmt/core.h>

#include <cmath>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/memory.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "cloob/image/contact_sheet.h"
#include "cloob/image/encode.h"
#include "cloob/model/training_memory.h"
#include "cloob/nn/device.h"
#include "cloob/optim/schedule.h"
#include "cloob/train/stop_signal.h"
#include "train/step_profile.h"
#include "train/step_shape.h"
#include "train/training_parts.h"

namespace cloob {
namespace {

constexpr double kSpeedWindowSeconds = 30;
constexpr int kContactSheetImages = 32;
// Thrown out of an evaluation when the program is asked to stop; the evaluation is made up for after a
// resume.
struct EvaluationInterrupted {};

// "loss 3.21, image_to_text_R@1 0.04": what a person wants to see of an evaluation.
std::string summary_of(const NamedNumbers& metrics) {
  std::string summary;
  for (const auto& [name, value] : metrics) {
    if (name.ends_with("_rank") || name.ends_with("R@5")) continue;
    summary +=
        fmt::format("{}{} {:.4g}", summary.empty() ? "" : ", ", name.substr(name.find('/') + 1), value);
  }
  return summary;
}

std::string tokenizer_model_of(const TextConfig& text) {
  return text.tokenizer == TokenizerKind::sentencepiece ? read_file(text.model_file) : "";
}

const RunDirectory& made_free(const RunDirectory& directory, ExistingRun existing) {
  if (existing == ExistingRun::remove_measurements) directory.remove_measurements();
  if (existing == ExistingRun::remove) directory.remove_run();
  return directory;
}

}  // namespace

Trainer::Trainer(const RunConfig& config, const RunDirectory& directory, ExistingRun existing,
                 const std::optional<Checkpoint>& resumed)
    : config_(config),
      directory_(directory),
      device_(select_device(config.train.device)),
      compute_stream_(device_),
      image_copy_(device_),
      tokenizer_(make_tokenizer(config.text)),
      tokenizer_model_(tokenizer_model_of(config.text)),
      loader_(make_train_loader(config, tokenizer_)),
      train_step_(config, make_model(config, device_), device_),
      validation_(make_validation(config,
                                  FeatureEncoder(train_step_.model(), device_, config.image, tokenizer_),
                                  train_step_.objective())),
      loss_sum_(at::zeros({}, at::TensorOptions(device_).dtype(at::kDouble))),
      state_(resumed ? restore(*resumed) : TrainingState{}),
      earlier_(state_),
      total_steps_(total_steps(config.train, position())),
      checkpoints_(made_free(directory, existing).checkpoints(), config.checkpoint),
      reporter_(config.report, directory.path(), resumed ? std::optional(resumed->state.step) : std::nullopt),
      progress_(config.report.progress, config.report.every_steps),
      meter_(kSpeedWindowSeconds) {
  checkpoints_.remove_after(state_.step);
  if (!resumed) at::manual_seed(static_cast<std::uint64_t>(config.train.seed));
  write_file_atomically(directory_.config_file(), print_config(config_));
}

RunResult Trainer::run() {
  RunResult result;
  try {
    result = train();
  } catch (...) {
    write_data_report_after_failure();
    throw;
  }
  write_data_report();
  return result;
}

void Trainer::profile_steps(std::int64_t num_steps) {
  profile_ = std::make_shared<StepProfile>(num_steps, device_, directory_.trace());
}

RunResult Trainer::train() {
  const StopSignal signal;
  log_info("train", "{} pairs, {} steps of {} pairs, {} of them in an epoch{}",
           with_thousands(loader_.samples_per_epoch()), with_thousands(total_steps_),
           with_thousands(config_.train.global_batch_size), with_thousands(loader_.batches_per_epoch()),
           state_.step > 0 ? fmt::format(", going on after step {}", with_thousands(state_.step)) : "");
  describe_device();
  warn_of_odd_settings();
  since_save_.restart();
  // An evaluation that a signal cut short is made up for, and its checkpoint gets the metrics that it lacks.
  if (evaluation_is_due() && validate() && state_.step > 0) save();
  while (state_.step < total_steps_ && StopSignal::received() == 0) {
    if (profile_) profile_->begin_step();
    if (!step()) break;
    if (profile_) profile_->end_step();
    if (at_end_of_epoch(1)) write_data_report();
    if (evaluation_is_due()) validate();
    if (save_is_due()) save();
  }
  progress_.finish();
  const bool is_complete = state_.step == total_steps_ && !evaluation_is_due();
  const int stop_signal = is_complete ? 0 : StopSignal::received();
  if (stop_signal != 0 && saved_step_ != state_.step)
    save();  // it came after this step's save was decided on
  if (profile_) profile_->finish();
  return {state_.step, stop_signal};
}

// Returns false when a signal came while it waited for data.
bool Trainer::step() {
  Timer timer;
  DataDelivery data{.ready_batches = loader_.ready_batches()};
  Batch batch;
  try {
    RECORD_USER_SCOPE("wait for data");
    batch = loader_.next();
  } catch (const LoaderStopped&) {
    return false;
  }
  data.wait_seconds = timer.seconds();
  if (state_.step == 0 && batch.size() > 0) write_contact_sheet(batch);
  if (batch.size() < ContrastiveObjective::kFewestPairs) {
    skip(batch);
    return true;
  }
  const double lr =
      lr_at(config_.schedule, config_.optimizer.lr, config_.reference, state_.step, total_steps_);
  const at::Tensor images_on_host = batch.images_BCHW;  // must not be reused before the step is done
  if (!train_step_.reads_images()) batch.images_BCHW = image_copy_.take(images_on_host);
  const StepReport report = train_step_.run(batch, state_.step, lr, [this] { copy_next_images(); });
  RECORD_USER_SCOPE("report");
  count(batch);
  if (report.outcome == StepOutcome::skipped) after_skipped_step(report);
  observe(report, timer.seconds(), data);
  return true;
}

void Trainer::copy_next_images() {
  if (device_.is_cpu() || train_step_.reads_images()) return;
  if (const Batch* const next = loader_.peek()) image_copy_.start(next->images_BCHW);
}

RunPosition Trainer::position() const {
  return {.step = state_.step,
          .samples = state_.samples_seen + state_.bad_samples,
          .epoch = static_cast<std::int64_t>(loader_.epochs_done()),
          .batches_left = loader_.batches_left(),
          .batches_per_epoch = loader_.batches_per_epoch()};
}

void Trainer::describe_device() const {
  log_info("train", "on the {}, in {}",
           device_.is_cpu() ? fmt::format("CPU, {} threads", at::get_num_threads()) : "GPU",
           enum_name(precision_of(config_.train)));
}

// What is allowed, but hardly meant.
void Trainer::warn_of_odd_settings() const {
  if (state_.step >= total_steps_) {
    log_warning("train",
                "nothing is left to do: the run has {} of {} steps behind it. Set train.epochs, steps or "
                "samples higher "
                "to go on",
                with_thousands(state_.step), with_thousands(total_steps_));
  }
  const bool starts_at_random = state_.step == 0 && config_.train.initial_weights.empty();
  if (starts_at_random && (config_.optimizer.image.frozen || config_.optimizer.text.frozen)) {
    log_warning("train",
                "optimizer.{}.frozen keeps random weights: name a trained model by train.initial_weights",
                config_.optimizer.image.frozen ? "image" : "text");
  }
  const ScheduleConfig& schedule = config_.schedule;
  if (schedule.warmup_steps >= total_steps_) {
    log_warning(
        "train",
        "schedule.warmup_steps is {} and the run has {} steps: the learning rate never reaches optimizer.lr",
        with_thousands(schedule.warmup_steps), with_thousands(total_steps_));
  } else if (schedule.warmup_steps + schedule.cooldown_steps > total_steps_) {
    log_warning(
        "train",
        "schedule.warmup_steps ({}) and cooldown_steps ({}) together are more than the {} steps of the run",
        with_thousands(schedule.warmup_steps), with_thousands(schedule.cooldown_steps),
        with_thousands(total_steps_));
  }
  const TrainingMemory memory = estimate_training_memory(config_.model, step_shape(config_));
  const std::uint64_t available = available_memory_bytes();
  if (device_.is_cpu() && static_cast<std::uint64_t>(memory.peak) > available) {
    log_warning(
        "train",
        "a step needs about {}, and {} of memory are free: lower train.global_batch_size, set "
        "train.gradient_cache_parts or gradient_checkpointing, or take a smaller model (see --dry-run)",
        human_bytes(static_cast<std::uint64_t>(memory.peak)), human_bytes(available));
  }
}

void Trainer::count(const Batch& batch) {
  ++state_.step;
  state_.samples_seen += batch.size();
  state_.bad_samples += batch.num_bad;
}

// A batch that broken samples have left without a pair to compare with takes its place in the schedule and
// teaches nothing.
void Trainer::skip(const Batch& batch) {
  count(batch);
  log_warning("train", "step {}: {} usable pairs in the batch, {} unusable: skipped",
              with_thousands(state_.step), batch.size(), batch.num_bad);
}

void Trainer::observe(const StepReport& report, double step_seconds, const DataDelivery& data) {
  meter_.add({.seconds = step_seconds,
              .data_seconds = data.wait_seconds,
              .num_samples = report.num_pairs,
              .ready_batches = data.ready_batches});
  state_.time_s += step_seconds;
  if (report.outcome != StepOutcome::skipped) {
    loss_sum_ += report.loss;
    ++loss_count_;
  }
  if (state_.step % config_.report.every_steps == 0 || state_.step == total_steps_) write_metrics(report);
  show_progress();
}

void Trainer::write_metrics(const StepReport& report) {
  NamedNumbers metrics;
  shown_loss_.reset();
  if (loss_count_ > 0) {  // not all of the steps were skipped
    shown_loss_ = loss_sum_.item<double>() / static_cast<double>(loss_count_);
    metrics.emplace_back("train/loss", *shown_loss_);
  }
  loss_sum_.zero_();
  loss_count_ = 0;
  metrics.insert(metrics.end(),
                 {{"train/lr", report.lr},
                  {"train/logit_scale", train_step_.model()->inv_tau().item<double>()},
                  {"train/grad_norm", report.norms.all.item<double>()},
                  {"train/grad_norm_image", report.norms.image.item<double>()},
                  {"train/grad_norm_text", report.norms.text.item<double>()},
                  {"train/samples_per_second", meter_.samples_per_second()},
                  {"train/data_time", meter_.data_seconds_per_step()},
                  {"train/batch_time", meter_.seconds_per_step()},
                  {"train/bad_samples", static_cast<double>(state_.bad_samples)},
                  {"train/peak_memory_gib", static_cast<double>(peak_memory_bytes(device_)) / kGiB}});
  if (config_.retrieval.learn_beta)
    metrics.emplace_back("train/beta", train_step_.objective().beta().item<double>());
  if (const auto& guard = train_step_.spike_guard())
    metrics.emplace_back("train/skipped_steps", static_cast<double>(guard->skipped()));
  if (const auto scale = train_step_.loss_scale()) metrics.emplace_back("train/loss_scale", *scale);
  MetricsRecord line = record(std::move(metrics));
  add_data_metrics(line);
  reporter_.write(line);
}

void Trainer::show_progress() {
  progress_.update({.label = "train",
                    .step = state_.step,
                    .num_steps = total_steps_,
                    .epoch = loader_.epochs_done(),
                    .loss = shown_loss_,
                    .samples_per_second = meter_.samples_per_second(),
                    .data_wait = meter_.data_wait(),
                    .bound_by = bound_by(),
                    .seconds_left = meter_.seconds_for(total_steps_ - state_.step)});
}

// An evaluation that fails must not cost the training before it.
NamedNumbers Trainer::measure() {
  try {
    const auto averaged = train_step_.use_weights_to_evaluate();
    return validation_.run([this](const Progress& progress) {
      if (StopSignal::received() != 0) throw EvaluationInterrupted();
      progress_.update(progress);
    });
  } catch (const std::exception&) {
    if (state_.step > 0 && saved_step_ != state_.step) save();
    throw;
  }
}

// Returns false when a signal cut it short.
bool Trainer::validate() {
  const Timer timer;
  try {
    const NamedNumbers metrics = measure();
    state_.time_s += timer.seconds();
    state_.evaluated_step = state_.step;
    state_.metrics = {metrics.begin(), metrics.end()};
    reporter_.write(record(metrics));
    log_info("eval", "step {}: {}", with_thousands(state_.step), summary_of(metrics));
    return true;
  } catch (const EvaluationInterrupted&) {
    log_info("eval", "stopped; a resumed run evaluates step {} again", with_thousands(state_.step));
    return false;
  }
}

void Trainer::write_contact_sheet(const Batch& batch) {
  if (!config_.report.contact_sheet) return;
  const std::string png =
      encode_png(contact_sheet(batch.images_BCHW, batch.captions, config_.image, kContactSheetImages));
  write_file_atomically(directory_.contact_sheet(), png);
  reporter_.write_image(0, "train/first_batch", png);
}

bool Trainer::at_end_of_epoch(std::int64_t every_epochs) const {
  const double epochs = loader_.epochs_done();
  return every_epochs > 0 && state_.step > 0 && epochs == std::floor(epochs) &&
         static_cast<std::int64_t>(epochs) % every_epochs == 0;
}

bool Trainer::evaluation_is_due() const {
  const EvalConfig& eval = config_.eval;
  if (validation_.empty() || state_.evaluated_step == state_.step) return false;
  if (state_.step == 0) return eval.before_training;
  return state_.step == total_steps_ || at_end_of_epoch(eval.every_epochs) ||
         (eval.every_steps && state_.step % *eval.every_steps == 0);
}

MetricsRecord Trainer::record(NamedNumbers metrics) const {
  return {.step = state_.step,
          .epoch = loader_.epochs_done(),
          .samples_seen = state_.samples_seen,
          .time_s = state_.time_s,
          .metrics = std::move(metrics)};
}

}  // namespace cloob
