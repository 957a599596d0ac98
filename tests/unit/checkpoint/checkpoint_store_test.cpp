#include "cloob/checkpoint/checkpoint_store.h"

#include <ATen/ops/zeros.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <functional>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/random.h"
#include "files.h"
#include "sample_checkpoint.h"
#include "support/small_disk.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::expect_is_sample;
using testing::expect_user_error;
using ::testing::HasSubstr;
using testing::sample_checkpoint;
using testing::TempDir;

constexpr auto kEverything = CheckpointPart::everything;

CheckpointConfig keep(std::int64_t last, const std::string& best_metric) {
  CheckpointConfig config;
  config.keep_last = last;
  config.best_metric = best_metric;
  return config;
}

Checkpoint with_metric(std::int64_t step, double value) {
  Checkpoint checkpoint = sample_checkpoint(step);
  checkpoint.state.metrics["val/R@1"] = value;
  return checkpoint;
}

std::vector<std::int64_t> steps_in(const fs::path& folder) {
  std::vector<std::int64_t> steps;
  for (const CheckpointEntry& entry : list_checkpoints(folder)) steps.push_back(entry.step);
  return steps;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

TEST(CheckpointStore, NamesCheckpointsByStep) {
  const TempDir folder;
  CheckpointStore store(folder / "checkpoints", keep(0, ""));
  EXPECT_THAT(steps_in(folder / "checkpoints"), ElementsAre());
  for (const int step : {9, 230, 100'000'000}) store.save(sample_checkpoint(step));
  EXPECT_EQ(names_in(folder / "checkpoints"),
            (std::vector<std::string>{"step_00000009", "step_00000230", "step_100000000"}));
  EXPECT_THAT(steps_in(folder / "checkpoints"), ElementsAre(9, 230, 100'000'000));
  expect_is_sample(load_checkpoint(folder / "checkpoints" / "step_100000000", kEverything));
}

TEST(CheckpointStore, KeepsTheNewest) {
  const TempDir folder;
  CheckpointStore store(folder.path(), keep(2, ""));
  for (int step = 1; step <= 5; ++step) store.save(sample_checkpoint(step));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("step_00000004", "step_00000005"));
}

TEST(CheckpointStore, KeepsTheBestRegardlessOfAge) {
  const TempDir folder;
  CheckpointStore store(folder.path(), keep(1, "val/R@1"));
  for (const auto& [step, value] : {std::pair(1, 0.2), {2, 0.5}, {3, 0.5}, {4, NAN}, {5, 0.1}}) {
    store.save(with_metric(step, value));
  }
  EXPECT_THAT(steps_in(folder.path()), ElementsAre(2, 5));
  EXPECT_EQ(load_training_state(folder / "best").step, 2);
  store.save(with_metric(6, 0.6));
  EXPECT_THAT(steps_in(folder.path()), ElementsAre(6));
  EXPECT_EQ(load_training_state(folder / "best").step, 6);
}

TEST(CheckpointStore, KeepsTheCheckpointThatTheRunMayReturnTo) {
  const TempDir folder;
  CheckpointStore store(folder.path(), keep(1, ""));
  for (const int step : {1, 2}) store.save(sample_checkpoint(step));
  store.save(sample_checkpoint(3), /*also_keep=*/2);
  EXPECT_THAT(steps_in(folder.path()), ElementsAre(2, 3));
}

TEST(CheckpointStore, KeepsNewerCheckpointsUntilARunThatWentBackHasSavedOne) {
  const TempDir folder;
  CheckpointStore store(folder.path(), keep(3, "val/R@1"));
  for (const auto& [step, value] : {std::pair(1, 0.1), {2, 0.5}, {3, 0.2}})
    store.save(with_metric(step, value));
  store.supersede_after(1);
  EXPECT_THAT(steps_in(folder.path()), ElementsAre(1));
  EXPECT_EQ(load_training_state(folder / "best").step, 1);
  for (const int step : {2, 3}) {
    const auto name = "superseded_step_0000000" + std::to_string(step);
    EXPECT_EQ(load_checkpoint(folder / name, kEverything).state.step, step);
  }
  store.supersede_after(1);  // the same again changes nothing
  EXPECT_EQ(names_in(folder.path()).size(), 4U);
  store.save(with_metric(2, 0.05));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("best", "step_00000001", "step_00000002"));
}

TEST(CheckpointStore, MinimizesLossesAndRanksByDefault) {
  const auto best_of = [](const std::string& metric, std::optional<BestMode> mode) {
    const TempDir folder;
    CheckpointConfig config = keep(1, metric);
    config.best_mode = mode;
    CheckpointStore store(folder.path(), config);
    for (const auto& [step, value] : {std::pair(1, 3.0), {2, 1.0}, {3, 2.0}}) {
      Checkpoint checkpoint = sample_checkpoint(step);
      checkpoint.state.metrics[metric] = value;
      store.save(checkpoint);
    }
    return load_training_state(folder / "best").step;
  };
  for (const char* metric : {"val/loss", "val/image_to_text_mean_rank", "val/text_to_image_median_rank"}) {
    EXPECT_EQ(best_of(metric, std::nullopt), 2) << metric;
    EXPECT_EQ(best_of(metric, BestMode::max), 1) << metric;
  }
  EXPECT_EQ(best_of("val/image_to_text_R@1", std::nullopt), 1);
}

TEST(CheckpointStore, KeepsTheSmallestWithModeMin) {
  const TempDir folder;
  CheckpointConfig config = keep(1, "val/R@1");
  config.best_mode = BestMode::min;
  CheckpointStore store(folder.path(), config);
  for (const auto& [step, value] : {std::pair(1, 3.0), {2, -1.0}, {3, 0.0}})
    store.save(with_metric(step, value));
  EXPECT_THAT(steps_in(folder.path()), ElementsAre(2, 3));
}

TEST(CheckpointStore, IgnoresCheckpointsWithoutTheMetric) {
  const TempDir folder;
  CheckpointStore store(folder.path(), keep(1, "val/loss"));
  store.save(sample_checkpoint(1));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("step_00000001"));
}

TEST(CheckpointStore, RemovesTheLinkToTheBestWhenThereIsNoneAnyMore) {
  const TempDir folder;
  CheckpointStore(folder.path(), keep(1, "val/R@1")).save(sample_checkpoint(1));
  CheckpointStore(folder.path(), keep(1, "")).save(sample_checkpoint(2));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("step_00000002"));
}

TEST(CheckpointStore, FindsTheBestOfAnEarlierProcess) {
  const TempDir folder;
  CheckpointStore(folder.path(), keep(1, "val/R@1")).save(with_metric(1, 0.9));
  CheckpointStore(folder.path(), keep(1, "val/R@1")).save(with_metric(2, 0.1));
  EXPECT_THAT(steps_in(folder.path()), ElementsAre(1, 2));
}

TEST(CheckpointStore, ReplacesACheckpointOfTheSameStep) {
  const TempDir folder;
  CheckpointStore store(folder.path(), keep(3, ""));
  store.save(with_metric(1, 0.1));
  store.save(with_metric(1, 0.7));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("step_00000001"));
  EXPECT_EQ(load_training_state(folder / "step_00000001").metrics.at("val/R@1"), 0.7);
}

TEST(CheckpointStore, RestoresACheckpointThatAnInterruptedSaveHadMovedAside) {
  const TempDir folder;
  CheckpointStore(folder.path(), keep(1, "")).save(sample_checkpoint(1));
  fs::rename(folder / "step_00000001", folder / ".replacing_step_00000001");
  const CheckpointStore store(folder.path(), keep(1, ""));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("step_00000001"));
  expect_is_sample(load_checkpoint(folder / "step_00000001", kEverything));
}

TEST(CheckpointStore, RemovesOnlyRemainsOfInterruptedSaves) {
  const TempDir folder;
  for (const char* name :
       {".saving_step_00000007", ".removing_step_00000001", "step_7", "step_notes", "mine"}) {
    fs::create_directory(folder / name);
    testing::write_quickly(folder / name / "weights.safetensors", "half");
  }
  const CheckpointStore store(folder.path(), keep(1, ""));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("mine", "step_7", "step_notes"));
}

TEST(CheckpointStore, IgnoresADamagedCheckpointWhenSearchingTheBest) {
  const TempDir folder;
  CheckpointStore store(folder.path(), keep(2, "val/R@1"));
  store.save(with_metric(1, 0.9));
  testing::write_quickly(folder / "step_00000001" / "state.json", "{");
  store.save(with_metric(2, 0.2));
  EXPECT_EQ(load_training_state(folder / "best").step, 2);
}

// Runs the action in a child process; returns an empty text, or the message of the exception that it throws.
std::string in_child(const std::function<void()>& action) {
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    std::string report;
    try {
      action();
    } catch (const std::exception& error) {
      report = error.what();
    }
    const ssize_t written = ::write(pipe_ends[1], report.data(), report.size());
    ::_exit(written == static_cast<ssize_t>(report.size()) ? 0 : 1);
  }
  ::close(pipe_ends[1]);
  std::string report(4096, '\0');
  const ssize_t count = ::read(pipe_ends[0], report.data(), report.size());
  ::close(pipe_ends[0]);
  ::waitpid(child, nullptr, 0);
  report.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  return report;
}

TEST(CheckpointStore, NamesTheFolderWithoutPermission) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to change the user";
  const TempDir folder;  // accessible only to its owner
  write_checkpoint(folder / "step_00000001", sample_checkpoint(1));
  const auto as_nobody = [](const std::function<void()>& action) {
    return in_child([&] {
      if (::setuid(65534) != 0) throw std::runtime_error("cannot change the user to nobody");
      action();
    });
  };
  const std::string checkpoint = (folder / "step_00000001").string();
  EXPECT_THAT(as_nobody([&] { resolve_checkpoint(folder.path() / ""); }), HasSubstr("Permission denied"));
  EXPECT_THAT(as_nobody([&] { load_checkpoint(folder / "step_00000001", kEverything); }),
              HasSubstr("cannot open '" + checkpoint + "/state.json': Permission denied"));
  EXPECT_THAT(as_nobody([&] { CheckpointStore(folder / "new", keep(1, "")); }),
              HasSubstr("cannot create the folder '" + (folder / "new").string() + "': Permission denied"));
}

TEST(CheckpointStore, LosesNothingOnAFullDisk) {
  const TempDir folder;
  const testing::SmallDisk disk(folder / "disk", "1m");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a small file system";
  CheckpointStore store(folder / "disk" / "checkpoints", keep(0, ""));
  store.save(sample_checkpoint(1));
  Checkpoint large = sample_checkpoint(2);
  large.weights["large"] = at::zeros({500'000});
  expect_user_error([&] { store.save(large); },
                    {".saving_step_00000002/weights.safetensors", "No space left on device",
                     "a checkpoint needs 1.9 MiB and", "are free in", "free space there"});
  EXPECT_THAT(names_in(folder / "disk" / "checkpoints"), ElementsAre("step_00000001"));
  expect_is_sample(load_checkpoint(folder / "disk" / "checkpoints" / "step_00000001", kEverything));
  store.save(sample_checkpoint(3));  // the space of the failed save is free again
  EXPECT_THAT(steps_in(folder / "disk" / "checkpoints"), ElementsAre(1, 3));
}

TEST(CheckpointStore, LosesNothingWhenTheDiskFillsAtAnyByte) {
  const TempDir folder;
  const testing::SmallDisk disk(folder / "disk", "1m");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a small file system";
  CheckpointStore store(folder / "disk" / "checkpoints", keep(1, ""));
  store.save(sample_checkpoint(1));
  const fs::path filler = folder / "disk" / "filler";
  int num_saved = 1, num_failed = 0;
  for (std::uintmax_t free_pages = 0; free_pages < 12; ++free_pages) {
    fs::remove(filler);
    const auto free = fs::space(folder / "disk").available;
    testing::write_quickly(filler, std::string(free - free_pages * 4096, 'x'));
    try {
      store.save(sample_checkpoint(num_saved + 1));
      ++num_saved;
    } catch (const UserError& error) {
      ++num_failed;
      EXPECT_THAT(error.what(), HasSubstr("No space left on device"));
    }
    EXPECT_THAT(steps_in(folder / "disk" / "checkpoints"), ElementsAre(num_saved));
    expect_is_sample(
        load_checkpoint(list_checkpoints(folder / "disk" / "checkpoints").back().path, kEverything));
  }
  EXPECT_GT(num_saved, 2);
  EXPECT_GT(num_failed, 2);
}

// Saves one checkpoint after another, with pruning, until it is killed.
[[noreturn]] void save_until_killed(const fs::path& folder) {
  CheckpointStore store(folder, keep(2, "val/R@1"));
  const auto entries = list_checkpoints(folder);
  for (std::int64_t step = entries.empty() ? 1 : entries.back().step;; ++step)
    store.save(sample_checkpoint(step));
}

TEST(CheckpointStore, SurvivesBeingKilledAtAnyMoment) {
  const TempDir folder;
  const fs::path checkpoints = folder / "checkpoints";
  RandomStream random(RandomUse::synthetic_data, {1});
  std::int64_t last_step = 0;
  std::uint64_t max_delay_us = 40'000;
  for (int round = 0; round < 40 || (last_step <= 10 && round < 400); ++round) {
    const pid_t child = ::fork();
    if (child == 0) save_until_killed(checkpoints);
    ::usleep(static_cast<useconds_t>(1000 + random.below(max_delay_us)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const auto entries = list_checkpoints(checkpoints);
    // On a busy machine a round may end before its first save does, so the next rounds run longer.
    const bool advanced = !entries.empty() && entries.back().step > last_step;
    if (!advanced) max_delay_us = std::min<std::uint64_t>(max_delay_us * 11 / 10, 900'000);
    if (entries.empty()) continue;
    ASSERT_GE(entries.back().step, last_step);
    last_step = entries.back().step;
    for (const CheckpointEntry& entry : entries) {
      const Checkpoint read = load_checkpoint(entry.path, kEverything);
      ASSERT_EQ(read.state.step, entry.step);
      expect_is_sample(read);
    }
    ASSERT_EQ(resolve_checkpoint(folder.path()).path, entries.back().path);
  }
  EXPECT_GT(last_step, 10);
}

}  // namespace
}  // namespace cloob
