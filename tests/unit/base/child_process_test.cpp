#include "cloob/base/child_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::TempDir;

ChildCommand shell(const std::string& text) {
  return {.name = "a child", .words = {"/bin/sh", "-c", text}, .environment = {}, .output = {}};
}

std::vector<ChildProcesses::End> wait_for_end(ChildProcesses& children, const SignalQueue& signals) {
  for (;;) {
    auto ends = children.collect();
    if (!ends.empty()) return ends;
    signals.next();
  }
}

TEST(ChildProcesses, HaveTheirEnvironmentAndTheirOutput) {
  const TempDir folder;
  write_file_atomically(folder / "log", "before\n");
  ::setenv("CLOOB_TEST_GONE", "1", 1);
  ::setenv("CLOOB_TEST_OTHER", "1", 1);
  ChildCommand command =
      shell("echo $CLOOB_TEST_SET-$CLOOB_TEST_OTHER-${CLOOB_TEST_GONE-gone}; cat; echo e >&2; exit 7");
  command.environment = {
      {"CLOOB_TEST_SET", "a b"}, {"CLOOB_TEST_OTHER", "2"}, {"CLOOB_TEST_GONE", std::nullopt}};
  command.output = folder / "log";
  const SignalQueue signals;
  ChildProcesses children(signals);
  children.start(5, command);
  EXPECT_EQ(children.num_running(), 1);
  const auto ends = wait_for_end(children, signals);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].number, 5);
  EXPECT_EQ(ends[0].status, 7);
  EXPECT_EQ(children.num_running(), 0);
  EXPECT_EQ(read_file(folder / "log"), "before\na b-2-gone\ne\n");
}

TEST(ChildProcesses, GetSignalsAndAreNoticedWhenTheyStop) {
  const SignalQueue signals;
  ChildProcesses children(signals);
  children.start(0, shell("sleep 100"));
  children.send(SIGSTOP);
  while (children.num_stopped() == 0) {
    EXPECT_TRUE(children.collect().empty());
    signals.next();
  }
  EXPECT_EQ(children.num_running(), 1);
  children.kill_stopped();
  EXPECT_EQ(wait_for_end(children, signals)[0].status, 128 + SIGKILL);
  EXPECT_EQ(describe_exit_status(128 + SIGKILL), "ended because of signal 9");
  EXPECT_EQ(describe_exit_status(2), "ended with status 2");
}

TEST(ChildProcesses, AreKilledAtTheEnd) {
  const TempDir folder;
  const SignalQueue signals;
  pid_t child = 0;
  {
    ChildProcesses children(signals);
    ChildCommand command = shell("echo $$; exec sleep 100");
    command.output = folder / "pid";
    children.start(0, command);
    while (child == 0) {
      signals.next(std::chrono::milliseconds(10));
      const std::string text = std::filesystem::exists(folder / "pid") ? read_file(folder / "pid") : "";
      if (text.ends_with('\n')) child = std::stoi(text);
    }
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST(ChildProcesses, ThatCannotBeRunEndWithStatus127) {
  const TempDir folder;
  const SignalQueue signals;
  ChildProcesses children(signals);
  children.start(0,
                 {.name = "x", .words = {"/no/such/program"}, .environment = {}, .output = folder / "log"});
  EXPECT_EQ(wait_for_end(children, signals)[0].status, 127);
  EXPECT_THAT(read_file(folder / "log"),
              ::testing::HasSubstr("'/no/such/program' cannot be run: No such file"));
  testing::expect_user_error(
      [&] {
        children.start(0, {.name = "x", .words = {"true"}, .environment = {}, .output = folder / "no/log"});
      },
      {"cannot write", "no/log"});
}

TEST(SignalQueue, TakesSignalsThatWouldEndTheProgram) {
  const SignalQueue signals;
  ::kill(::getpid(), SIGUSR1);
  EXPECT_EQ(signals.next(), SIGUSR1);
  EXPECT_EQ(signals.next(std::chrono::milliseconds(0)), 0);
}

TEST(SignalQueue, LeavesIgnoredSignalsIgnored) {
  const auto before = ::signal(SIGHUP, SIG_IGN);
  {
    const SignalQueue signals;
    ::kill(::getpid(), SIGHUP);
    EXPECT_EQ(signals.next(std::chrono::milliseconds(0)), 0) << "as under nohup";
  }
  ::signal(SIGHUP, before);
}

}  // namespace
}  // namespace cloob
