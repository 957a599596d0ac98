#include "train/data_report.h"

#include <nlohmann/json.hpp>

#include "cloob/config/field.h"

namespace cloob {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Tally& tally) { return {{"count", tally.count}, {"examples", tally.examples}}; }

}  // namespace

std::string to_json(const DataReport& report) {
  Json json = {{"step", report.step},
               {"epoch", report.epoch},
               {"samples",
                {{"seen", report.samples_seen},
                 {"usable", report.samples_seen - report.unusable},
                 {"unusable", report.unusable}}},
               {"unusable", Json::object()},
               {"duplicate_keys", json_of(report.faults.duplicate_keys)},
               {"damaged_shards", json_of(report.faults.damaged_shards)}};
  for (const BadKind kind : report.by_kind.kinds()) {
    json["unusable"][bad_kind_id(kind)] = json_of(report.by_kind.of(kind));
  }
  if (report.speed) {
    json["speed"] = {{"bound_by", enum_name(report.speed->bound_by)},
                     {"data_wait", report.speed->data_wait},
                     {"ready_batches", report.speed->ready_batches}};
  }
  // Names of files and members may not be valid UTF-8.
  return json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

std::map<std::string, Tally> tallies_by_id(const BadSampleCounts& counts) {
  std::map<std::string, Tally> tallies;
  for (const BadKind kind : counts.kinds()) tallies[bad_kind_id(kind)] = counts.of(kind);
  return tallies;
}

BadSampleCounts counts_from(const std::map<std::string, Tally>& tallies) {
  BadSampleCounts counts;
  for (std::size_t i = 0; i < kNumBadKinds; ++i) {
    const auto kind = static_cast<BadKind>(i);
    const auto found = tallies.find(bad_kind_id(kind));
    if (found != tallies.end()) counts.add_all(kind, found->second);
  }
  return counts;
}

}  // namespace cloob
