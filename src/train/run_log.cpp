#include "train/run_log.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/memory.h"
#include "cloob/base/text.h"
#include "cloob/device/device_memory.h"
#include "cloob/image/contact_sheet.h"
#include "cloob/image/encode.h"
#include "cloob/report/episode_picture.h"
#include "train/data_report.h"
#include "train/run_summary.h"

namespace cloob {
namespace {

constexpr double kSpeedWindowSeconds = 30;
constexpr int kContactSheetImages = 32;

}  // namespace

RunLog::RunLog(const RunConfig& config, const RunDirectory& directory, const TrainingState& state,
               const Loader& loader, TrainingTask& task, const TrainStep& train_step, c10::Device device,
               std::int64_t total_steps, const std::optional<ResumePoint>& resumed)
    : config_(config),
      directory_(directory),
      state_(state),
      earlier_(state),
      loader_(loader),
      task_(task),
      train_step_(train_step),
      device_(device),
      total_steps_(total_steps),
      reporter_(config.report, directory.path(), resumed),
      progress_(config.report.progress, config.report.every_steps),
      meter_(kSpeedWindowSeconds),
      loss_sum_(at::zeros({}, at::TensorOptions(device).dtype(at::kDouble))),
      chance_watch_(config.retrieval.kind != RetrievalKind::none && config.retrieval.warmup_steps == 0,
                    total_steps),
      retrieval_watch_(config.retrieval, total_steps) {}

void RunLog::log_ranks(std::span<const double> own_seconds) {
  if (own_seconds[0] > 0) rank_times_.add(step_seconds_, own_seconds);
}

void RunLog::log_step(const StepReport& report, std::int64_t num_samples, const StepTimes& times) {
  step_seconds_ = times.seconds;
  meter_.add({.seconds = times.seconds,
              .data_seconds = times.wait_seconds,
              .num_samples = num_samples,
              .ready_batches = times.ready_batches});
  if (!report.is_skipped) {
    loss_sum_ += report.loss;
    ++loss_count_;
  }
  if (line_is_due()) {
    NamedNumbers metrics = take_loss();
    add_step(metrics, report);
    watch_retrieval(metrics);
    write_metrics(std::move(metrics));
    watch_chance();
  }
  show_step();
}

// Such a step has no loss, but those since the last line may have.
void RunLog::log_skipped_batch() {
  if (line_is_due()) write_metrics(take_loss());
  show_step();
}

bool RunLog::line_is_due() const {
  return state_.step % config_.report.every_steps == 0 || state_.step == total_steps_;
}

// The mean loss since the last line, unless all of its steps were skipped.
NamedNumbers RunLog::take_loss() {
  NamedNumbers metrics;
  shown_loss_.reset();
  if (loss_count_ > 0) {
    shown_loss_ = loss_sum_.item<double>() / static_cast<double>(loss_count_);
    metrics.emplace_back("train/loss", *shown_loss_);
    shown_chance_ = task_.chance_loss(config_.train.global_batch_size);
    if (shown_chance_) metrics.emplace_back("train/chance_loss", *shown_chance_);
  }
  loss_sum_.zero_();
  loss_count_ = 0;
  return metrics;
}

void RunLog::add_step(NamedNumbers& metrics, const StepReport& report) const {
  const auto add = [&](const NamedScalars& scalars) {
    for (const auto& [name, value] : scalars) metrics.emplace_back("train/" + name, value.item<double>());
  };
  add(report.terms);
  metrics.emplace_back("train/lr", report.lr.other);
  if (report.lr.image != report.lr.other) metrics.emplace_back("train/lr_image", report.lr.image);
  add(task_.scalars());
  add({{"grad_norm", report.norms.all},
       {"grad_norm_image", report.norms.image},
       {"grad_norm_text", report.norms.text}});
}

void RunLog::write_metrics(NamedNumbers metrics) {
  directory_.require_present();
  metrics.insert(metrics.end(),
                 {{"train/samples_per_second", meter_.samples_per_second()},
                  {"train/data_time", meter_.data_seconds_per_step()},
                  {"train/batch_time", meter_.seconds_per_step()},
                  {"train/bad_samples", static_cast<double>(state_.bad_samples)},
                  {"train/peak_memory_gib", static_cast<double>(peak_memory_bytes(device_)) / kGiB}});
  if (const auto& guard = train_step_.spike_guard())
    metrics.emplace_back("train/skipped_steps", static_cast<double>(guard->skipped()));
  if (const auto scale = train_step_.loss_scale()) metrics.emplace_back("train/loss_scale", *scale);
  add_rank_times(metrics);
  MetricsRecord line = record(std::move(metrics));
  add_data_metrics(line);
  reporter_.write(line);
}

// Of the steps since the last line.
void RunLog::add_rank_times(NamedNumbers& metrics) {
  if (rank_times_.empty()) return;
  const NamedNumbers times = rank_times_.metrics();
  metrics.insert(metrics.end(), times.begin(), times.end());
  shown_communication_ = rank_times_.communication_share();
  if (const auto straggler = rank_times_.new_straggler()) log_warning("ranks", "{}", *straggler);
  rank_times_.clear();
}

void RunLog::show_step() {
  progress_.update({.label = "train",
                    .step = state_.step,
                    .num_steps = total_steps_,
                    .epoch = loader_.epochs_done(),
                    .loss = shown_loss_,
                    .chance_loss = shown_chance_,
                    .samples_per_second = meter_.samples_per_second(),
                    .data_wait = meter_.data_wait(),
                    .communication = shown_communication_,
                    .bound_by = bound_by(),
                    .seconds_left = meter_.seconds_for(total_steps_ - state_.step)});
}

void RunLog::watch_chance() {
  if (!shown_loss_ || !shown_chance_) return;
  if (const auto advice = chance_watch_.advice(state_.step, *shown_loss_, *shown_chance_))
    log_warning("train", "{}", *advice);
}

void RunLog::watch_retrieval(const NamedNumbers& metrics) {
  const auto number = [&](std::string_view name) {
    const auto found = std::ranges::find(metrics, name, &NamedNumbers::value_type::first);
    return found == metrics.end() ? std::nullopt : std::optional(found->second);
  };
  const auto entropy = number("train/retrieval_entropy");
  if (!entropy) return;
  const double beta = number("train/beta").value_or(config_.retrieval.beta);
  if (const auto advice =
          retrieval_watch_.advice(state_.step, *entropy, beta, config_.train.global_batch_size))
    log_warning("train", "{}", *advice);
}

void RunLog::log_end(const std::optional<CheckpointEntry>& best) const {
  const RunSummary summary{.state = state_,
                           .run_folder = directory_.path(),
                           .loss = shown_loss_,
                           .chance_loss = shown_chance_,
                           .bad_samples = bad_samples(),
                           .best_step = best ? std::optional(best->step) : std::nullopt,
                           .best_metric = config_.checkpoint.best_metric,
                           .has_weights_to_export = config_.task.kind != TaskKind::reco};
  for (const std::string& line : sentences(summary)) log_info("train", "{}", line);
}

void RunLog::log_epoch(const EpochReport& report) {
  reporter_.write(record(report.metrics));
  log_info("train", "epoch {:.3g}: {}", loader_.epochs_done(), short_list(report.metrics));
  if (!report.picture) return;
  EpisodePicture picture = *report.picture;
  picture.samples_seen = state_.samples_seen;
  try {
    write_episode_picture(directory_.path(), picture);
  } catch (const UserError& error) {  // not worth a run
    log_warning("train", "the picture of episode {} is left out: {}", picture.episode, error.what());
  }
}

void RunLog::log_evaluation(const std::vector<EvaluationResult>& results) {
  NamedNumbers metrics;
  for (const EvaluationResult& result : results) {
    metrics.insert(metrics.end(), result.metrics.begin(), result.metrics.end());
    MetricsRecord line = record({{"seconds", result.seconds}});
    line.metrics.insert(line.metrics.end(), result.numbers.begin(), result.numbers.end());
    line.words.emplace_back("evaluation", result.name);
    reporter_.write_evaluation(line);
  }
  reporter_.write(record(metrics));
  log_info("eval", "step {}: {}", with_thousands(state_.step), short_list(metrics));
}

// The picture is not worth a run: without the fonts, or on a full disk, it is left out.
void RunLog::write_contact_sheet(const Batch& batch) {
  if (!config_.report.contact_sheet) return;
  try {
    const std::string png =
        encode_png(contact_sheet(batch.images_BCHW, batch.captions, config_.image, kContactSheetImages));
    write_file_atomically(directory_.contact_sheet(), png);
    reporter_.write_image(0, "train/first_batch", png);
  } catch (const UserError& error) {
    log_warning("train", "{} is left out: {}", directory_.contact_sheet().string(), error.what());
  }
}

BadSampleCounts RunLog::bad_samples() const {
  BadSampleCounts counts = counts_from(earlier_.bad_samples_by_kind);
  const BadSampleCounts& now = loader_.bad_samples();
  for (const BadKind kind : now.kinds()) counts.add_all(kind, now.of(kind));
  return counts;
}

BoundBy RunLog::bound_by() const {
  const auto most_ready = static_cast<double>(config_.data.prefetch_batches);
  return find_bound(meter_.data_wait(), meter_.ready_batches_per_step() / most_ready);
}

void RunLog::add_data_metrics(MetricsRecord& record) const {
  record.metrics.emplace_back("data/ready_batches", meter_.ready_batches_per_step());
  const BadSampleCounts counts = bad_samples();
  for (const BadKind kind : counts.kinds()) {
    record.metrics.emplace_back("data/bad/" + bad_kind_id(kind), static_cast<double>(counts.count(kind)));
  }
  record.words.emplace_back("data/bound_by", enum_name(bound_by()));
}

void RunLog::write_data_report() const {
  DataReport report{.step = state_.step,
                    .epoch = loader_.epochs_done(),
                    .samples_seen = earlier_.samples_seen + earlier_.bad_samples + loader_.samples_seen(),
                    .unusable = earlier_.bad_samples + loader_.bad_samples().total(),
                    .by_kind = bad_samples(),
                    .faults = {},
                    .speed = std::nullopt};
  loader_.source()->add_faults(report.faults);
  if (!meter_.empty()) {
    report.speed = {.bound_by = bound_by(),
                    .data_wait = meter_.data_wait(),
                    .ready_batches = meter_.ready_batches_per_step()};
  }
  write_file_atomically(directory_.data_report(), to_json(report));
}

void RunLog::write_data_report_after_failure() const {
  try {
    write_data_report();
  } catch (const UserError& error) {
    log_warning("train", "the data report could not be written: {}", error.what());
  }
}

NamedTensors RunLog::state() const {
  return {{"run.loss_sum", loss_sum_}, {"run.loss_count", at::scalar_tensor(loss_count_, at::kLong)}};
}

void RunLog::load_state(const NamedTensors& state) {
  loss_sum_.copy_(state.at("run.loss_sum"));
  loss_count_ = state.at("run.loss_count").item<std::int64_t>();
}

MetricsRecord RunLog::record(NamedNumbers metrics) const {
  return {.step = state_.step,
          .epoch = loader_.epochs_done(),
          .samples_seen = state_.samples_seen,
          .time_s = state_.time_s,
          .metrics = std::move(metrics)};
}

}  // namespace cloob
