// `cloob data pack` and `cloob data split` as a user runs them: shards are complete whatever happens, and
// their bytes are reproducible.

#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/small_disk.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

// A table of the images held out for zero-shot evaluation, with `repeats` captioned rows each.
std::string write_table(const std::string& name, int repeats) {
  std::string table = "filepath\ttitle\n";
  for (int copy = 0; copy < repeats; ++copy) {
    for (const auto& entry : fs::recursive_directory_iterator(tiny_project() / "data/held_out")) {
      if (entry.path().extension() != ".png") continue;
      table += fmt::format("{}\tcaption {} of {}\n", entry.path().lexically_relative(tiny_project()).string(),
                           copy, entry.path().stem().string());
    }
  }
  write_file_atomically(tiny_project() / name, table);
  return name;
}

Words with(Words arguments, const Words& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

void expect_success(const Words& arguments) {
  const ProgramResult result = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(result.exit_status, 0) << result.errors;
}

void expect_error(const Words& arguments, std::initializer_list<std::string> parts) {
  const ProgramResult result = run_cloob(tiny_project(), arguments);
  EXPECT_EQ(result.exit_status, 2) << result.errors;
  const std::string line = split(std::string(trim(result.errors)), '\n').back();
  EXPECT_THAT(line, ::testing::StartsWith("error: "));
  for (const std::string& part : parts) EXPECT_THAT(line, HasSubstr(part));
}

// Every file except the index, which contains the modification times of the shards.
std::map<std::string, std::string> contents_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".index")
      files[entry.path().filename().string()] = read_file(entry.path());
  }
  return files;
}

std::vector<std::string> sorted_lines(const std::string& text) {
  std::vector<std::string> lines = split(std::string(trim(text)), '\n');
  std::sort(lines.begin(), lines.end());
  return lines;
}

// One sample per row, so that there are many.
const Words kUngrouped = {"--data.csv.group_captions", "false"};

TEST(Pack, TrainingSeesTheSamplesThatWerePacked) {
  const std::string table = write_table("pairs.tsv", 3);
  expect_success(with({"data", "pack", table, "--out", "packed", "--samples-per-shard", "40"}, kUngrouped));
  const ProgramResult listed = run_cloob(tiny_project(), {"data", "list", "packed/*.tar"});
  std::vector<std::string> keys;
  for (int i = 0; i < 96; ++i) keys.push_back(fmt::format("{:09}", i));
  EXPECT_EQ(sorted_lines(listed.output), keys);
  // Shuffled packing records the keys of the source and loses no sample.
  expect_success(with({"data", "pack", table, "--out", "mixed", "--shuffle", "5"}, kUngrouped));
  const std::string shard = read_file(tiny_project() / "mixed/00000.tar");
  std::vector<std::string> rows;
  for (std::size_t at = shard.find("\"source_key\":\""); at != std::string::npos;
       at = shard.find("\"source_key\":\"", at + 1)) {
    rows.push_back(shard.substr(at + 14, shard.find('"', at + 14) - at - 14));
  }
  const ProgramResult table_keys = run_cloob(tiny_project(), {"data", "list", table});
  std::sort(rows.begin(), rows.end());
  EXPECT_EQ(rows, sorted_lines(table_keys.output));
  expect_success(train_arguments("on_packed", {"--data.train", "packed/*.tar", "--train.steps", "2",
                                               "--data.webdataset.json_caption_field", "captions"}));
}

TEST(Pack, WritesTheSameBytesForAnyNumberOfThreads) {
  const std::string table = write_table("threads.tsv", 4);
  for (const std::string threads : {"1", "3"}) {
    expect_success(with({"data", "pack", table, "--out", "threads" + threads, "--threads", threads,
                         "--resize", "24", "--samples-per-shard", "30"},
                        kUngrouped));
  }
  const auto one = contents_of(tiny_project() / "threads1");
  EXPECT_EQ(one.size(), 2 * 5 + 2U);
  EXPECT_EQ(one, contents_of(tiny_project() / "threads3"));
}

TEST(Pack, ContinuesAfterBeingKilled) {
  const std::string table = write_table("long.tsv", 200);
  const Words arguments =
      with({"data", "pack", table, "--resize", "24", "--samples-per-shard", "100"}, kUngrouped);
  expect_success(with(arguments, {"--out", "straight"}));
  for (const int signal_number : {SIGKILL, SIGTERM}) {
    const fs::path out = tiny_project() / fmt::format("killed_by_{}", signal_number);
    BackgroundProgram program(tiny_project(), with(arguments, {"--out", out.string()}));
    while (program.is_running() && !fs::exists(out / "00005_stats.json")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    program.send_signal(signal_number);
    EXPECT_EQ(program.wait(), 128 + signal_number);
    EXPECT_FALSE(fs::exists(out / "sizes.json"));
    expect_error(with(arguments, {"--out", out.string()}), {"not empty", "--resume"});
    const ProgramResult resumed =
        run_cloob(tiny_project(), with(arguments, {"--out", out.string(), "--resume"}));
    EXPECT_EQ(resumed.exit_status, 0) << resumed.errors;
    EXPECT_THAT(resumed.errors, HasSubstr("of them from an earlier run"));
    EXPECT_EQ(contents_of(out), contents_of(tiny_project() / "straight"));
  }
}

TEST(Pack, AFullDiskLeavesOnlyCompleteShards) {
  const fs::path small = tiny_project() / "small_disk";
  const SmallDisk disk(small, "1m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  const std::string table = write_table("disk.tsv", 30);
  const Words arguments = with({"data", "pack", table, "--samples-per-shard", "100"}, kUngrouped);
  expect_success(with(arguments, {"--out", "roomy"}));
  const auto whole = contents_of(tiny_project() / "roomy");
  const std::string out = (small / "out").string();
  expect_error(with(arguments, {"--out", out}), {"No space left on device"});
  int num_shards = 0;
  for (const auto& [name, content] : contents_of(out)) {
    EXPECT_EQ(content, whole.at(name)) << name;
    num_shards += name.ends_with(".tar") ? 1 : 0;
  }
  EXPECT_GE(num_shards, 1);
  EXPECT_TRUE(disk.resize("60m"));
  expect_success(with(arguments, {"--out", out, "--resume"}));
  EXPECT_EQ(contents_of(out), whole);
}

TEST(Pack, UserErrorsAreNamed) {
  const std::string table = write_table("mistakes.tsv", 1);
  fs::create_directories(tiny_project() / "empty");
  expect_error({"data", "pack", table}, {"--out is required"});
  expect_error({"data", "pack", "no_such.tsv", "--out", "o"}, {"'no_such.tsv' does not exist"});
  expect_error({"data", "pack", "empty", "--out", "o"}, {"'empty' has no .jpg"});
  expect_error({"data", "pack", "data/train", "--out", "o"}, {"name its shards: 'data/train/*.tar'"});
  expect_error({"data", "pack", table, "--out", "o", "--data.csv.caption_column", "x"}, {"did you mean"});
  expect_error({"data", "pack", table, "--out", "o", "--data.csv.caption_columns", "titel"},
               {"did you mean 'title'"});
  expect_error({"data", "pack", table, "--out", "o", "--resize", "0"}, {"--resize"});
  expect_error({"data", "pack", table, "--out", table}, {"mistakes.tsv"});
  expect_error({"data", "pack", table, "--out", "o", "--max-bad-share", "2"},
               {"data.max_bad_share", "[0, 1]"});
  expect_error({"data", "split", table, "--out", "o", "--parts", "train=98,val=2"},
               {"'train=98' is not a part"});
  EXPECT_FALSE(fs::exists(tiny_project() / "o"));
}

TEST(Split, SplitsATableIntoTablesThatTrainingAccepts) {
  const std::string table = write_table("whole.tsv", 2);
  expect_success({"data", "split", table, "--out", "parts", "--parts", "train=0.75,val=0.25"});
  std::string keys;
  for (const std::string part : {"train", "val"}) {
    const ProgramResult listed = run_cloob(tiny_project(), {"data", "list", "parts/" + part + ".tsv"});
    EXPECT_EQ(listed.exit_status, 0) << listed.errors;
    keys += listed.output;
  }
  std::string expected;
  for (const std::string& key : split(run_cloob(tiny_project(), {"data", "list", table}).output, '\n')) {
    if (!key.empty()) expected += "../" + key + "\n";
  }
  EXPECT_EQ(sorted_lines(keys), sorted_lines(expected));
  expect_success(train_arguments(
      "on_parts", {"--data.train", "parts/train.tsv", "--data.val", "parts/val.tsv", "--train.steps", "2"}));
}

}  // namespace
}  // namespace cloob::testing
