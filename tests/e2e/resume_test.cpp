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
    std::vector<std::string> times;  // of evaluations
    for (const auto& [name, value] : record.items()) {
      if (name.starts_with("val/") && name.ends_with("_seconds")) times.push_back(name);
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

}  // namespace
}  // namespace cloob::testing
