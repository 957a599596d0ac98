// What a trainer tells about its data.

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/config/field.h"
#include "cloob/train/trainer.h"
#include "train/data_report.h"

namespace cloob {

BadSampleCounts Trainer::bad_samples() const {
  BadSampleCounts counts = counts_from(earlier_.bad_samples_by_kind);
  const BadSampleCounts& now = loader_.bad_samples();
  for (const BadKind kind : now.kinds()) counts.add_all(kind, now.of(kind));
  return counts;
}

BoundBy Trainer::bound_by() const {
  const auto most_ready = static_cast<double>(config_.data.prefetch_batches);
  return find_bound(meter_.data_wait(), meter_.ready_batches_per_step() / most_ready);
}

void Trainer::add_data_metrics(MetricsRecord& record) const {
  record.metrics.emplace_back("data/ready_batches", meter_.ready_batches_per_step());
  const BadSampleCounts counts = bad_samples();
  for (const BadKind kind : counts.kinds()) {
    record.metrics.emplace_back("data/bad/" + bad_kind_id(kind), static_cast<double>(counts.count(kind)));
  }
  record.words.emplace_back("data/bound_by", enum_name(bound_by()));
}

void Trainer::write_data_report() const {
  DataReport report{.step = state_.step,
                    .epoch = loader_.epochs_done(),
                    .samples_seen = earlier_.samples_seen + earlier_.bad_samples + loader_.samples_seen(),
                    .unusable = earlier_.bad_samples + loader_.bad_samples().total(),
                    .by_kind = bad_samples(),
                    .faults = {},
                    .speed = std::nullopt};
  loader_.source().add_faults(report.faults);
  if (!meter_.empty()) {
    report.speed = {.bound_by = bound_by(),
                    .data_wait = meter_.data_wait(),
                    .ready_batches = meter_.ready_batches_per_step()};
  }
  write_file_atomically(directory_.data_report(), to_json(report));
}

// Whatever ended the run is the error to show.
void Trainer::write_data_report_after_failure() const {
  try {
    write_data_report();
  } catch (const UserError& error) {
    log_warning("train", "no report about the data is left: {}", error.what());
  }
}

}  // namespace cloob
