#include "train/step_profile.h"

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ContainsRegex;

ProfiledEvent event(const char* name, std::uint64_t start_ms, std::uint64_t end_ms, bool is_stage = false) {
  return {.name = name,
          .thread = 1,
          .start_ns = start_ms * 1'000'000,
          .end_ns = end_ms * 1'000'000,
          .is_stage = is_stage};
}

TEST(DescribeProfile, ShowsStagesAndSelfTimesOfOperators) {
  // Two steps of 100 ms, of which 60 ms are in a stage, in which linear calls addmm.
  std::vector<ProfiledEvent> events = {
      event("backward", 0, 60, /*is_stage=*/true), event("backward", 100, 160, /*is_stage=*/true),
      event("aten::linear", 10, 50), event("aten::addmm", 20, 45), event("aten::addmm", 110, 115)};
  events.push_back(event("aten::mul", 20, 40));
  events.back().thread = 2;
  const std::string text = describe_profile(events, 2, 0.2);
  EXPECT_THAT(text, ContainsRegex("backward +60\\.00 +60\\.0 +1\\.0"));
  EXPECT_THAT(text, ContainsRegex("between stages +40\\.00 +40\\.0"));
  EXPECT_THAT(text, ContainsRegex("whole step +100\\.00 +100\\.0"));
  EXPECT_THAT(text, ContainsRegex("aten::addmm +15\\.00 +15\\.0 +1\\.0"));
  EXPECT_THAT(text, ContainsRegex("aten::linear +7\\.50 +7\\.5 +0\\.5"));
  EXPECT_THAT(text, ContainsRegex("aten::mul +10\\.00"));
  EXPECT_LT(text.find("aten::addmm"), text.find("aten::mul"));
}

TEST(StepProfile, WritesNothingIfItEndsEarly) {
  const testing::TempDir folder;
  StepProfile profile(2, at::kCPU, folder / "trace.json");
  profile.begin_step();
  profile.end_step();
  profile.finish();
  EXPECT_FALSE(std::filesystem::exists(folder / "trace.json"));
}

}  // namespace
}  // namespace cloob
