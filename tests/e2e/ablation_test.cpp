// A sweep ends with the same results whatever interrupts it, and however many of its runs are trained at once.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSweep = R"(base: tiny.yaml
settings:
  train: {steps: 6, device: cpu, precision: fp32}
  checkpoint: {every_steps: 2, keep_last: 1}
axes:
  objective:
    CLIP: {loss.kind: info_nce, retrieval.kind: none, retrieval.learn_beta: false}
    CLOOB: {}
seeds: [3]
threads: 1
search:
  metric: val/image_to_text_R@5
  settings: {optimizer.lr: [1e-3, 3e-2]}
  trial_settings: {train.steps: 4}
)";

// A tiny sweep of four trials and two final runs; what it comes to without interruption.
class Ablation : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    write_file_atomically(tiny_project() / "sweep.yaml", kSweep);
    const ProgramResult result = ablate("straight");
    ASSERT_EQ(result.exit_status, 0) << result.errors;
    EXPECT_THAT(result.output, ::testing::HasSubstr("# sweep sweep: 4 trials and 2 final runs"))
        << "the plan comes first";
  }
  static ProgramResult ablate(const std::string& out, const std::vector<std::string>& more = {},
                              const std::string& sweep = "sweep.yaml") {
    return run_cloob(tiny_project(), arguments(out, more, sweep));
  }
  static std::vector<std::string> arguments(const std::string& out, const std::vector<std::string>& more = {},
                                            const std::string& sweep = "sweep.yaml") {
    std::vector<std::string> all = {"ablate", sweep, "--out", out};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

std::vector<std::vector<std::string>> rows_of(const std::string& out) {
  std::vector<std::vector<std::string>> rows;
  for (const std::string& line : read_lines(tiny_project() / out / "results.csv")) {
    // Only names of runs have commas.
    std::vector<std::string> row;
    std::string rest = line;
    if (line.starts_with('"')) {
      row.push_back(line.substr(0, line.find('"', 1) + 1));
      rest = line.substr(row[0].size() + 1);
    }
    for (const std::string& field : split(rest, ',')) row.push_back(field);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::size_t column_of(const std::vector<std::vector<std::string>>& rows, const std::string& name) {
  return static_cast<std::size_t>(std::ranges::find(rows[0], name) - rows[0].begin());
}

// All but the speed.
std::vector<std::vector<std::string>> reproducible_rows(const std::string& out) {
  auto rows = rows_of(out);
  const std::size_t speed = column_of(rows, "samples_s");
  for (auto& row : rows) row.at(speed).clear();
  return rows;
}

std::vector<std::string> statuses_of(const std::string& out) {
  const auto rows = rows_of(out);
  std::vector<std::string> statuses;
  for (std::size_t i = 1; i < rows.size(); ++i) statuses.push_back(rows[i].at(column_of(rows, "status")));
  return statuses;
}

void expect_same_sweep(const std::string& out) {
  EXPECT_EQ(reproducible_rows(out), reproducible_rows("straight"));
  for (const char* file : {"plan.json", "choices.json"})
    EXPECT_EQ(read_file(tiny_project() / out / file), read_file(tiny_project() / "straight" / file));
}

TEST_F(Ablation, HasARowForEveryRun) {
  const auto rows = rows_of("straight");
  ASSERT_EQ(rows.size(), 7u);
  EXPECT_EQ(rows[1][0], "\"objective=CLIP,trial=0\"");
  EXPECT_EQ(rows[6][0], "\"objective=CLOOB,seed=3\"");
  EXPECT_THAT(statuses_of("straight"), ::testing::Each("done"));
  EXPECT_EQ(rows[1].at(column_of(rows, "steps")), "4");
  EXPECT_EQ(rows[6].at(column_of(rows, "steps")), "6");
  EXPECT_LT(column_of(rows, "val/image_to_text_R@5"), rows[0].size());
  EXPECT_LT(column_of(rows, "val/loss"), rows[0].size());
  EXPECT_EQ(column_of(rows, "val/pairs_seconds"), rows[0].size()) << "a duration";
  const auto choices = nlohmann::json::parse(read_file(tiny_project() / "straight" / "choices.json"));
  ASSERT_EQ(choices["variants"].size(), 2u);
  for (const auto& variant : choices["variants"]) {
    ASSERT_EQ(variant["trials"].size(), 2u);
    const double first = variant["trials"][0]["score"], second = variant["trials"][1]["score"];
    const std::string chosen = variant["settings"]["optimizer.lr"];
    EXPECT_EQ(chosen, second > first ? "0.03" : "0.001");
    // The final run was trained with it.
    const std::string name = variant["values"]["objective"];
    const std::string recipe =
        read_file(tiny_project() / "straight" / "runs" / ("objective=" + name + ",seed=3") / "config.yaml");
    EXPECT_THAT(recipe, ::testing::HasSubstr("\n  lr: " + chosen + "\n"));
  }
}

TEST_F(Ablation, IsTheSameForTwoRunsAtOnce) {
  const ProgramResult result = ablate("parallel", {"--parallel", "2"});
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  expect_same_sweep("parallel");
}

TEST_F(Ablation, RepeatsNothing) {
  const auto before = read_file(tiny_project() / "straight" / "results.csv");
  const ProgramResult result = ablate("straight");
  EXPECT_EQ(result.exit_status, 0) << result.errors;
  EXPECT_EQ(read_file(tiny_project() / "straight" / "results.csv"), before);
  EXPECT_THAT(result.errors, ::testing::Not(::testing::HasSubstr("starts")));
}

std::vector<pid_t> children_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/task/" + std::to_string(process) + "/children");
  std::vector<pid_t> children;
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

// Lines of metrics of all runs.
std::int64_t lines_of(const std::string& out) {
  std::int64_t lines = 0;
  std::error_code error;
  for (fs::directory_iterator entry(tiny_project() / out / "runs", error), end; !error && entry != end;
       ++entry) {
    if (!fs::exists(entry->path() / "metrics.jsonl")) continue;
    const std::string text = read_file(entry->path() / "metrics.jsonl");
    lines += std::count(text.begin(), text.end(), '\n');
  }
  return lines;
}

enum class Interruption { kill_all, kill_sweep, ctrl_c };

// Once the runs have written so many lines. Returns whether the sweep was still going on.
bool interrupt(const std::string& out, const std::vector<std::string>& arguments, std::int64_t lines,
               Interruption how) {
  BackgroundProgram program(tiny_project(), arguments);
  while (program.is_running() && lines_of(out) < lines)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  if (!program.is_running()) return false;
  // The program is the only child of this process.
  const std::vector<pid_t> own = children_of(::getpid());
  const std::vector<pid_t> runs = children_of(own.at(0));
  EXPECT_FALSE(runs.empty());
  program.send_signal(how == Interruption::ctrl_c ? SIGINT : SIGKILL);
  if (how == Interruption::kill_all) {
    for (const pid_t run : runs) ::kill(run, SIGKILL);
  }
  const int status = program.wait();
  EXPECT_EQ(status, 128 + (how == Interruption::ctrl_c ? SIGINT : SIGKILL));
  return true;
}

TEST_F(Ablation, IsTheSameAfterInterruptionsAtSeveralMoments) {
  struct Case {
    std::int64_t lines;
    Interruption how;
    const char* parallel;
  };
  // A trial writes 5 lines and a final run 7.
  for (const Case& c : {Case{3, Interruption::kill_all, "1"}, Case{8, Interruption::kill_sweep, "2"},
                        Case{17, Interruption::ctrl_c, "1"}, Case{22, Interruption::kill_all, "2"},
                        Case{30, Interruption::ctrl_c, "2"}}) {
    EXPECT_TRUE(interrupt("killed", arguments("killed", {"--parallel", c.parallel}), c.lines, c.how))
        << c.lines;
    EXPECT_THAT(statuses_of("killed"), ::testing::Not(::testing::Contains("failed"))) << c.lines;
  }
  const ProgramResult result = ablate("killed");
  ASSERT_EQ(result.exit_status, 0) << result.errors;
  expect_same_sweep("killed");
}

TEST_F(Ablation, RunsAsTasksOfSlurm) {
  const ProgramResult written = ablate("slurm", {"--slurm", "sweep.sh"});
  ASSERT_EQ(written.exit_status, 0) << written.errors;
  const auto shell = [](const std::string& command) {
    const int status = std::system(("cd '" + tiny_project().string() + "' && (" + command + ")").c_str());
    return WEXITSTATUS(status);
  };
  // Submission, with a program in place of sbatch.
  write_file_atomically(tiny_project() / "sbatch.sh", "echo \"$@\" >> submitted.txt\necho 17\n");
  ASSERT_EQ(shell("SBATCH='bash sbatch.sh' bash sweep.sh > /dev/null"), 0);
  EXPECT_EQ(read_file(tiny_project() / "submitted.txt"),
            "--parsable --array=0-3 sweep.sh trials\n"
            "--parsable --dependency=afterany:17 --array=0-1 sweep.sh finals\n");
  EXPECT_NE(shell("SLURM_ARRAY_TASK_ID=0 bash sweep.sh finals 2> errors.txt"), 0);
  EXPECT_THAT(read_file(tiny_project() / "errors.txt"), ::testing::HasSubstr("the trials are not over"));
  ASSERT_EQ(shell("for i in 3 1; do SLURM_ARRAY_TASK_ID=$i bash sweep.sh trials 2> errors.txt & done; wait; "
                  "for i in 0 2; do SLURM_ARRAY_TASK_ID=$i bash sweep.sh trials 2> errors.txt & done; wait"),
            0);
  ASSERT_EQ(shell("SLURM_ARRAY_TASK_ID=1 bash sweep.sh finals 2> errors.txt &"
                  "SLURM_ARRAY_TASK_ID=0 bash sweep.sh finals 2> errors2.txt; wait"),
            0);
  expect_same_sweep("slurm");
}

TEST_F(Ablation, GoesOnAfterARunThatFails) {
  write_file_atomically(tiny_project() / "failing.yaml",
                        "base: tiny.yaml\nsettings: {train.steps: 1}\n"
                        "axes: {x: {bad: {}, good: {}}}\nthreads: 1\n");
  const fs::path in_the_way = tiny_project() / "failing" / "runs" / "x=bad,seed=0";
  make_directories(in_the_way.parent_path());
  write_file_atomically(in_the_way, "a file");
  const ProgramResult failed = ablate("failing", {}, "failing.yaml");
  EXPECT_EQ(failed.exit_status, 1);
  EXPECT_THAT(statuses_of("failing"), ::testing::ElementsAre("failed", "done"));
  EXPECT_THAT(failed.errors, ::testing::HasSubstr("x=bad,seed=0 failed: ended with status 2: error: "));
  EXPECT_THAT(failed.errors, ::testing::HasSubstr("(log: failing/runs/x=bad,seed=0.log)"));
  fs::remove(in_the_way);
  EXPECT_EQ(ablate("failing", {}, "failing.yaml").exit_status, 0);
  EXPECT_THAT(statuses_of("failing"), ::testing::Each("done"));
}

TEST_F(Ablation, WarnsOfTrialsOnTheDataOfTheReport) {
  const auto warnings = [](const std::string& name, const std::string& data) {
    std::string text = kSweep;
    text.replace(text.find("train.steps: 4"), 14, "train.steps: 4, data.val: '" + data + "'");
    write_file_atomically(tiny_project() / (name + ".yaml"), text);
    const ProgramResult result = ablate(name, {"--dry-run"}, name + ".yaml");
    EXPECT_EQ(result.exit_status, 0) << result.errors;
    return result.errors;
  };
  const std::string same = warnings("same", "./data/../data/validation/*0.tar");
  EXPECT_THAT(same, ::testing::HasSubstr("trials are chosen by val/image_to_text_R@5 on '"));
  EXPECT_THAT(same, ::testing::HasSubstr("looks better than it is"));
  EXPECT_THAT(warnings("apart", "data/train/*.tar"), ::testing::Not(::testing::HasSubstr("looks better")));
}

TEST_F(Ablation, RefusesWhatItCannotDo) {
  write_file_atomically(tiny_project() / "other.yaml",
                        std::string(kSweep) + "exclude: [{objective: CLIP}]\n");
  const ProgramResult other = ablate("straight", {}, "other.yaml");
  EXPECT_EQ(other.exit_status, 2);
  EXPECT_THAT(other.errors, ::testing::HasSubstr("'straight' holds another sweep ("));
  EXPECT_THAT(other.errors, ::testing::HasSubstr("is no longer there"));
  std::string text = kSweep;
  text.replace(text.find("train.steps: 4"), 14, "train.steps: 4, data.val: none.tsv");
  write_file_atomically(tiny_project() / "missing.yaml", text);
  const ProgramResult missing = ablate("missing", {"--dry-run"}, "missing.yaml");
  EXPECT_EQ(missing.exit_status, 2);
  EXPECT_THAT(missing.output, ::testing::HasSubstr("objective=CLOOB,trial=1")) << "the plan is printed";
  EXPECT_THAT(missing.errors, ::testing::HasSubstr("none.tsv"));
  EXPECT_THAT(missing.errors, ::testing::HasSubstr("(in the run objective=CLIP,trial=0)"));
  EXPECT_FALSE(fs::exists(tiny_project() / "missing")) << "nothing is written";
  text = kSweep;
  text.replace(text.find("val/image_to_text_R@5"), 21, "val/image_to_text_r5");
  write_file_atomically(tiny_project() / "metric.yaml", text);
  EXPECT_THAT(
      ablate("metric", {}, "metric.yaml").errors,
      ::testing::HasSubstr("search.metric is 'val/image_to_text_r5', which is not a metric of the trials, "
                           "did you mean 'val/image_to_text_R@5'?"));
  EXPECT_EQ(ablate("straight", {"--run", "objective=CLIP,seed=4"}).exit_status, 2);
}

}  // namespace
}  // namespace cloob::testing
