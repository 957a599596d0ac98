#include "train/data_report.h"

#include <nlohmann/json.hpp>

#include "support/support.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

BadSampleCounts some_counts() {
  BadSampleCounts counts;
  counts.add_all(BadKind::no_caption, {.count = 4, .examples = {"0.tar, sample 3: it has no caption"}});
  counts.add_all(BadKind::empty_after_cleaning, {.count = 1, .examples = {"\xff"}});
  return counts;
}

TEST(DataReport, ContainsAllCounts) {
  const DataReport report{
      .step = 12,
      .epoch = 1.5,
      .samples_seen = 100,
      .unusable = 5,
      .by_kind = some_counts(),
      .faults = {.damaged_shards = {}, .duplicate_keys = {.count = 2, .examples = {"'0.tar': 2 of its"}}},
      .speed = DataReport::Speed{.bound_by = BoundBy::data, .data_wait = 0.25, .ready_batches = 0.5}};
  EXPECT_EQ(Json::parse(to_json(report)), Json::parse(R"({
    "step": 12,
    "epoch": 1.5,
    "samples": {"seen": 100, "usable": 95, "unusable": 5},
    "unusable": {
      "no_caption": {"count": 4, "examples": ["0.tar, sample 3: it has no caption"]},
      "empty_after_cleaning": {"count": 1, "examples": ["\ufffd"]}},
    "duplicate_keys": {"count": 2, "examples": ["'0.tar': 2 of its"]},
    "damaged_shards": {"count": 0, "examples": []},
    "speed": {"bound_by": "data", "data_wait": 0.25, "ready_batches": 0.5}})"));
}

TEST(DataReport, HasNoSpeedBeforeTheFirstStep) { EXPECT_FALSE(Json::parse(to_json({})).contains("speed")); }

TEST(DataReport, CountsRoundTripThroughACheckpoint) {
  std::map<std::string, Tally> tallies = tallies_by_id(some_counts());
  EXPECT_EQ(tallies.size(), 2u);
  EXPECT_EQ(tallies.at("no_caption").count, 4);
  tallies["a_future_kind"] = {.count = 3};
  EXPECT_EQ(counts_from(tallies).by_kind(), "4 no caption, 1 empty after cleaning");
  EXPECT_EQ(tallies_by_id(counts_from(tallies)), tallies_by_id(some_counts()));
}

}  // namespace
}  // namespace cloob
