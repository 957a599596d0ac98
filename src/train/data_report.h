// data_report.json: statistics of the data that a run has read, see docs/data.md.
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

/// All counts are since the start of the run, over all restarts.
struct DataReport {
  struct Speed {
    BoundBy bound_by = BoundBy::balanced;
    double data_wait = 0;      ///< fraction of the time, 0 to 1
    double ready_batches = 0;  ///< on average
  };

  std::int64_t step = 0;
  double epoch = 0;
  std::int64_t samples_seen = 0;  ///< including unusable ones
  std::int64_t unusable = 0;
  BadSampleCounts by_kind;  ///< of the unusable ones; old checkpoints have no such counts
  SourceFaults faults;
  std::optional<Speed> speed;  ///< over the last half minute; nullopt before the first step
};

std::string to_json(const DataReport& report);

/// Converts counts to and from a map by the identifiers of their kinds, as stored in checkpoints. Unknown
/// kinds, from a newer version of the program, are ignored.
std::map<std::string, Tally> tallies_by_id(const BadSampleCounts& counts);
BadSampleCounts counts_from(const std::map<std::string, Tally>& tallies);

}  // namespace cloob
