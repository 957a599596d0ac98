// How the runs of a sweep are started and looked after, with a script in place of the program.

#include "cloob/ablation/run_sweep.h"

#include <fmt/core.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::TempDir;

class RunSweep : public ::testing::Test {
 protected:
  SweepPlan plan_of(const std::string& text) const {
    write_file_atomically(
        temporary_ / "base.yaml",
        fmt::format(
            "include: {}/configs/test/test-resnet.yaml\ntrain: {{steps: 2, device: cpu, precision: fp32}}\n",
            testing::source_dir().string()));
    write_file_atomically(temporary_ / "sweep.yaml", "base: base.yaml\n" + text);
    return resolve_plan(read_sweep(temporary_ / "sweep.yaml"), {});
  }
  // `$4` is the folder of the run, `$out` that of the sweep.
  RunSweepOptions with_program(const std::string& script) const {
    const auto program = temporary_ / "program.sh";
    write_file_atomically(program, fmt::format("#!/bin/sh\nout='{}'\n{}\n", folder_.path().string(), script));
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    return {.program = program};
  }

  TempDir temporary_;
  SweepFolder folder_{temporary_ / "out", SweepFolder::Use::one_run};
};

TEST_F(RunSweep, LetsTheOthersSaveIfItCannotGoOn) {
  const SweepPlan plan = plan_of("axes: {a: {x: {}, y: {}}}\n");
  // The first run saves when it is asked to stop. The second one puts something in the place of results.csv.
  RunSweepOptions options = with_program(R"(
case "$4" in
*a=x*)
  trap 'echo > "$out/saved"; exit 143' TERM
  echo > "$out/ready"
  while :; do sleep 0.02; done ;;
*)
  while [ ! -e "$out/ready" ]; do sleep 0.02; done
  rm "$out/results.csv"
  mkdir -p "$out/results.csv/in_the_way" ;;
esac)");
  options.parallel = 2;
  const SignalQueue signals;
  expect_user_error([&] { run_sweep(plan, folder_, options, signals); }, {"results.csv"});
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "saved"));
}

TEST_F(RunSweep, WaitsForAnotherProcessWithTheSameRun) {
  const SweepPlan plan = plan_of("seeds: [0, 1]\n");
  RunSweepOptions options = with_program("echo > \"$out/started\"");
  options.only = "seed=0";
  const SignalQueue signals;
  std::optional<SweepFolder::RunLock> other(std::in_place, folder_, "seed=0");
  EXPECT_TRUE(other->is_held());
  EXPECT_FALSE(SweepFolder::RunLock(folder_, "seed=0").is_held());
  EXPECT_TRUE(SweepFolder::RunLock(folder_, "seed=1").is_held());
  std::thread end_of_other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    make_directories(folder_.run_folder("seed=0"));
    write_file_atomically(folder_.run_folder("seed=0") / "metrics.jsonl",
                          "{\"step\":2,\"epoch\":0,\"samples_seen\":10,\"time_s\":1.5,\"val/loss\":1}\n");
    folder_.mark_done("seed=0");
    other.reset();
  });
  const SweepOutcome outcome = run_sweep(plan, folder_, options, signals);
  end_of_other.join();
  EXPECT_EQ(outcome.results[0].status, RunStatus::done);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "started")) << "it was trained twice";
  EXPECT_THAT(read_file(folder_.results_file()), ::testing::HasSubstr("seed=0,final,0,,done,2"));
}

}  // namespace
}  // namespace cloob
