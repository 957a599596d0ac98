// A run that is killed and resumed ends exactly like an uninterrupted one: weights, optimizer, random
// numbers, metrics.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "cloob/base/files.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/named_tensors.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;

// metrics.jsonl without the metrics that depend on the speed of the machine.
std::vector<nlohmann::json> reproducible_metrics(const fs::path& run) {
  static const std::set<std::string> kMachineDependent = {"time_s",
                                                          "train/samples_per_second",
                                                          "train/data_time",
                                                          "train/batch_time",
                                                          "data/ready_batches",
                                                          "data/bound_by",
                                                          "train/peak_memory_gib"};
  std::vector<nlohmann::json> records;
  for (const std::string& line : split(read_file(run / "metrics.jsonl"), '\n')) {
    if (line.empty()) continue;
    nlohmann::json record = nlohmann::json::parse(line);
    for (const std::string& name : kMachineDependent) record.erase(name);
    std::vector<std::string> times;  // of evaluations and episodes
    for (const auto& [name, value] : record.items()) {
      if (name.starts_with("val/") && name.ends_with("_seconds")) times.push_back(name);
      if (name.starts_with("episode/seconds_")) times.push_back(name);
    }
    for (const std::string& name : times) record.erase(name);
    records.push_back(std::move(record));
  }
  return records;
}

void expect_same_run(const fs::path& actual, const fs::path& expected) {
  expect_same_bits(final_tensors(actual), final_tensors(expected));
  EXPECT_EQ(reproducible_metrics(actual), reproducible_metrics(expected));
}

class Resume : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const ProgramResult straight = run_cloob(tiny_project(), train_arguments("straight", {}));
    ASSERT_EQ(straight.exit_status, 0) << straight.errors;
  }
};

TEST_F(Resume, TwoUninterruptedRunsAreEqual) {
  ASSERT_EQ(run_cloob(tiny_project(), train_arguments("again", {})).exit_status, 0);
  expect_same_run(tiny_project() / "again", tiny_project() / "straight");
}

TEST_F(Resume, ARunKilledAtRandomMomentsEndsTheSame) {
  RandomStream moments(RandomUse::synthetic_data, {2026});
  const std::vector<std::string> arguments = train_arguments("killed", {"--resume", "auto"});
  // The moments are spread over the whole run, so that some fall into every epoch; the number of lines of
  // metrics tells its progress.
  for (int kill = 0; kill < 10; ++kill) {
    BackgroundProgram program(tiny_project(), arguments);
    wait_for_lines(program, tiny_project() / "killed", 1 + kill * 3 / 2);
    std::this_thread::sleep_for(std::chrono::duration<double>(moments.uniform(0, 0.05)));
    program.send_signal(SIGKILL);
    EXPECT_EQ(program.wait(), 128 + SIGKILL) << "the run ended before kill " << kill;
  }
  const ProgramResult last = run_cloob(tiny_project(), arguments);
  ASSERT_EQ(last.exit_status, 0) << last.errors;
  expect_same_run(tiny_project() / "killed", tiny_project() / "straight");
}

TEST_F(Resume, ARunKilledDuringASaveEndsTheSame) {
  const fs::path run = tiny_project() / "killed_in_save";
  BackgroundProgram program(tiny_project(), train_arguments(run.string(), {}));
  // A save in progress shows as an entry of the folder that is not a checkpoint yet.
  bool seen = false;
  while (program.is_running() && !seen) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(run / "checkpoints", ignored)) {
      seen = seen || !entry.path().filename().string().starts_with("step_");
    }
  }
  program.send_signal(SIGKILL);
  program.wait();
  ASSERT_TRUE(seen) << "the run ended before a save was seen";
  const ProgramResult last = run_cloob(tiny_project(), train_arguments(run.string(), {"--resume", "auto"}));
  ASSERT_EQ(last.exit_status, 0) << last.errors;
  expect_same_run(run, tiny_project() / "straight");
}

TEST_F(Resume, ARunStoppedBySigtermSavesAndExitsWith143) {
  const fs::path run = tiny_project() / "terminated";
  BackgroundProgram program(tiny_project(), train_arguments(run.string(), {}));
  wait_for_lines(program, run, 1);  // training has begun
  program.send_signal(SIGTERM);
  EXPECT_EQ(program.wait(), 128 + SIGTERM);
  EXPECT_FALSE(fs::is_empty(run / "checkpoints"));
  const ProgramResult last = run_cloob(tiny_project(), train_arguments(run.string(), {"--resume", "auto"}));
  ASSERT_EQ(last.exit_status, 0) << last.errors;
  expect_same_run(run, tiny_project() / "straight");
}

TEST_F(Resume, AnotherNumberOfLoaderThreadsGivesTheSameRun) {
  ASSERT_EQ(run_cloob(tiny_project(), train_arguments("one_thread", {"--data.threads", "1"})).exit_status, 0);
  expect_same_run(tiny_project() / "one_thread", tiny_project() / "straight");
}

// Episodes of eight steps, two passes over the data, of which the first one clusters nothing. K-means is repeated, so that it takes
// a while. The last checkpoint before the second episode is that of step 6.
std::vector<std::string> protoclip_arguments(const std::string& run_dir,
                                             const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"--task.kind",
                                        "protoclip",
                                        "--protoclip.episode_samples",
                                        "192",
                                        "--protoclip.prototypes",
                                        "40",
                                        "--protoclip.restarts",
                                        "500",
                                        "--protoclip.projection_hidden_dim",
                                        "32"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return train_arguments(run_dir, arguments);
}

class ResumeProtoClip : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const ProgramResult straight = run_cloob(tiny_project(), protoclip_arguments("protoclip", {}));
    ASSERT_EQ(straight.exit_status, 0) << straight.errors;
  }

  // Waits until the program logs this.
  static void wait_for_log(BackgroundProgram& program, const fs::path& log, const std::string& text) {
    const auto is_logged = [&] { return fs::exists(log) && read_file(log).find(text) != std::string::npos; };
    while (program.is_running() && !is_logged()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_TRUE(program.is_running()) << "ended before it logged '" << text << "'";
  }

  // Sends the signal while the second episode begins, at this batch of the extraction, and expects that a resumed run ends like
  // one that was not interrupted.
  static void interrupt(const std::string& run, int signal, const std::string& batch) {
    const fs::path log = tiny_project() / (run + ".log");
    const std::vector<std::string> arguments = protoclip_arguments(run, {"--resume", "auto"});
    {
      BackgroundProgram program(tiny_project(), arguments, log);
      wait_for_log(program, log, "[episode] step " + batch);
      program.send_signal(signal);
      EXPECT_EQ(program.wait(), 128 + signal);
    }
    EXPECT_EQ(read_file(tiny_project() / run / "metrics.jsonl").find("episode/"), std::string::npos)
        << "the signal came after the clustering";
    const ProgramResult last = run_cloob(tiny_project(), arguments);
    ASSERT_EQ(last.exit_status, 0) << last.errors;
    expect_same_run(tiny_project() / run, tiny_project() / "protoclip");
  }
};

TEST_F(ResumeProtoClip, ARunKilledDuringAnExtractionEndsTheSame) {
  interrupt("killed_in_extraction", SIGKILL, "2/8");
}

TEST_F(ResumeProtoClip, ARunKilledDuringAClusteringEndsTheSame) {
  interrupt("killed_in_clustering", SIGKILL, "8/8");
}

TEST_F(ResumeProtoClip, ARunStoppedBeforeAnEpisodeSavesAndEndsTheSame) {
  interrupt("stopped_in_extraction", SIGTERM, "2/8");
}

TEST_F(ResumeProtoClip, ARunKilledInTheMiddleOfEpisodesEndsTheSame) {
  const std::vector<std::string> arguments = protoclip_arguments("killed_in_episode", {"--resume", "auto"});
  for (const std::int64_t lines : {5, 11, 15}) {
    BackgroundProgram program(tiny_project(), arguments);
    wait_for_lines(program, tiny_project() / "killed_in_episode", lines);
    program.send_signal(SIGKILL);
    EXPECT_EQ(program.wait(), 128 + SIGKILL) << "the run ended before it was killed";
  }
  const ProgramResult last = run_cloob(tiny_project(), arguments);
  ASSERT_EQ(last.exit_status, 0) << last.errors;
  expect_same_run(tiny_project() / "killed_in_episode", tiny_project() / "protoclip");
}

}  // namespace
}  // namespace cloob::testing
