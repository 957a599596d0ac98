// data_report.json: what a run has seen of its data. docs/data.md explains it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "cloob/base/tally.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/source.h"
#include "cloob/report/bound_by.h"

namespace cloob {

/// Everything is counted from the very beginning of the run, over all restarts.
struct DataReport {
  struct Speed {
    BoundBy bound_by = BoundBy::balanced;
    double data_wait = 0;      ///< share of the time, 0 to 1
    double ready_batches = 0;  ///< on average
  };

  std::int64_t step = 0;
  double epoch = 0;
  std::int64_t samples_seen = 0;  ///< unusable ones too
  std::int64_t unusable = 0;
  BadSampleCounts by_kind;  ///< of the unusable ones; knows fewer where an old checkpoint did not say
  SourceFaults faults;
  std::optional<Speed> speed;  ///< of the last half minute; nothing before the first step
};

std::string to_json(const DataReport& report);

/// Counts by the identifiers of their kinds, as checkpoints hold them, and back. Kinds that only a newer
/// program knows are passed over.
std::map<std::string, Tally> tallies_by_id(const BadSampleCounts& counts);
BadSampleCounts counts_from(const std::map<std::string, Tally>& tallies);

}  // namespace cloob
