#include "data/tar/shard_counts.h"

#include <filesystem>
#include <string>

#include "cloob/base/log.h"
#include "cloob/data/tar/shard_index.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::expect_user_error;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::TempDir;
using testing::write_tar;
using testing::write_text;

// The lines that `action` logs.
template <class Action>
std::string warnings_of(const Action& action) {
  set_log_level(LogLevel::warning);
  ::testing::internal::CaptureStderr();
  action();
  set_log_level(LogLevel::error);
  return ::testing::internal::GetCapturedStderr();
}

TEST(ShardCounts, ReadsTheSuccessesOfAStatsFile) {
  EXPECT_EQ(samples_in_stats_json(R"({"count": 1000, "successes": 990, "failed_to_download": 10})"), 990);
  EXPECT_EQ(samples_in_stats_json(R"({"successes": 0})"), 0);
  for (const std::string text : {"", "{", "[1]", "3", R"({"successes": 1)"}) {
    expect_user_error([&] { samples_in_stats_json(text); }, {"it is not "});
  }
  expect_user_error([] { samples_in_stats_json(R"({"count": 1})"); }, {"no 'successes'"});
  for (const std::string number :
       {"-1", "1.5", "\"1\"", "null", "9223372036854775807", "18446744073709551615", "1e30"}) {
    expect_user_error(
        [&] { samples_in_stats_json("{\"successes\": " + number + "}"); },
        {"it has ", number.substr(0, 1), "for 'successes': expected a whole number from 0 to 4294967296"});
  }
}

TEST(ShardCounts, ReadsTheSizesOfAFolder) {
  EXPECT_EQ(all_sizes_in_json(R"({"00000.tar": 1000, "00001.tar": 7})"),
            (StatedSizes{{"00000.tar", 1000}, {"00001.tar", 7}}));
  expect_user_error([] { all_sizes_in_json(R"({"00001.tar": "x"})"); },
                    {"it has \"x\" for '00001.tar': expected a whole"});
  expect_user_error([] { all_sizes_in_json("[]"); }, {"not a JSON object"});
}

TEST(ShardCounts, DerivesTheNameOfTheStatsFile) {
  EXPECT_EQ(stats_json_name("00000.tar"), "00000_stats.json");
  EXPECT_EQ(stats_json_name("cc3m-v1.0.tar.gz"), "cc3m-v1.0_stats.json");
  EXPECT_EQ(stats_json_name("other"), "other_stats.json");
}

TEST(ShardCounts, PrefersTheShardsOwnFileToThatOfTheFolder) {
  const TempDir folder;
  EXPECT_FALSE(StatedCounts().find(folder / "0.tar"));
  write_text(folder / "sizes.json", R"({"0.tar": 3})");
  EXPECT_EQ(StatedCounts().find(folder / "0.tar")->samples, 3);
  EXPECT_EQ(StatedCounts().find(folder / "0.tar")->file, "sizes.json");
  EXPECT_FALSE(StatedCounts().find(folder / "1.tar"));
  write_text(folder / "0_stats.json", R"({"successes": 4})");
  EXPECT_EQ(StatedCounts().find(folder / "0.tar")->samples, 4);
  EXPECT_EQ(StatedCounts().find(folder / "0.tar")->file, "0_stats.json");
}

TEST(ShardCounts, SkipsUnreadableFilesWithAWarning) {
  const TempDir folder;
  write_text(folder / "0_stats.json", "{");
  write_text(folder / "sizes.json", R"({"0.tar": 3})");
  const std::string warnings =
      warnings_of([&] { EXPECT_EQ(StatedCounts().find(folder / "0.tar")->file, "sizes.json"); });
  EXPECT_THAT(warnings, HasSubstr("0_stats.json' is ignored: it is not JSON (byte 2)"));
}

TEST(ShardCounts, WarnsOfShardsThatDifferFromTheStatedCount) {
  const TempDir folder;
  const testing::Members two = {{"a.jpg", "A"}, {"a.txt", "a"}, {"b.jpg", "B"}, {"b.txt", "b"}};
  std::vector<fs::path> shards;
  for (const std::string name : {"0", "1", "2"}) shards.push_back(write_tar(folder / (name + ".tar"), two));
  write_text(folder / "0_stats.json", R"({"successes": 2})");
  write_text(folder / "1_stats.json", R"({"successes": 1000})");
  write_text(folder / "2_stats.json", R"({"successes": 1})");
  const std::string warnings = warnings_of([&] { find_layouts(shards, {}); });
  EXPECT_THAT(warnings,
              AllOf(Not(HasSubstr("0.tar")), HasSubstr("1.tar' has 2 samples, '1_stats.json' says 1,000: "),
                    HasSubstr("2.tar' has 2 samples, '2_stats.json' says 1: ")));
  // Once indexed, a shard is not checked again.
  update_index_files(shards, {}, {});
  EXPECT_THAT(warnings_of([&] { find_layouts(shards, {}); }), IsEmpty());
}

}  // namespace
}  // namespace cloob
