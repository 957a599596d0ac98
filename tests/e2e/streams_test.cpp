// Training on and listing of streamed data, and a disk that is full while data is indexed.

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/base/timer.h"
#include "cloob/checkpoint/safetensors.h"
#include "e2e/fixture.h"
#include "e2e/program.h"
#include "support/http_server.h"
#include "support/small_disk.h"
#include "support/support.h"

namespace cloob::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kIndexFolder = "--data.index_folder=indexes";

std::vector<std::string> lines_of(const std::string& text) { return split(std::string(trim(text)), '\n'); }

/// Serves the rendered shards.
class Streams : public ::testing::Test {
 protected:
  Streams() {
    for (const std::string shard : {"00000.tar", "00001.tar", "00002.tar"}) {
      server_.put(shard, read_file(tiny_project() / "data/train" / shard));
    }
  }
  std::string shards() const { return server_.address("{00000..00002}.tar"); }

  HttpServer server_;
};

TEST_F(Streams, AreListedLikeFilesInAnotherOrder) {
  const auto list = [](const std::string& source) {
    const ProgramResult result =
        run_cloob(tiny_project(), {"data", "list", source, "--data.stream.buffer_samples", "20"});
    EXPECT_EQ(result.exit_status, 0) << result.errors;
    return lines_of(result.output);
  };
  std::vector<std::string> streamed = list(shards());
  std::vector<std::string> piped = list("pipe:cat data/train/{00000..00002}.tar");
  std::vector<std::string> files = list("data/train/*.tar");
  EXPECT_EQ(streamed, piped);
  EXPECT_NE(streamed, files);
  std::ranges::sort(streamed);
  std::ranges::sort(files);
  EXPECT_EQ(streamed, files);
}

TEST_F(Streams, AStoppedRunContinuesInTheSameOrder) {
  const auto arguments = [&](const std::string& run, std::vector<std::string> more) {
    more.insert(more.end(), {"--data.train", shards(), "--data.stream.buffer_samples", "20",
                             "--data.stream.retry_seconds", "0.01", kIndexFolder});
    return train_arguments(run, more);
  };
  const auto weights = [](const std::string& run) {
    return read_safetensors(tiny_project() / run / "checkpoints/step_00000016/weights.safetensors").tensors;
  };
  const ProgramResult straight = run_cloob(tiny_project(), arguments("straight", {}));
  ASSERT_EQ(straight.exit_status, 0) << straight.errors;
  {
    BackgroundProgram program(tiny_project(), arguments("stopped", {}));
    wait_for_lines(program, tiny_project() / "stopped", 6);
    program.send_signal(SIGTERM);
    ASSERT_EQ(program.wait(), 143);
  }
  // The connection breaks midway, and the server fails once.
  server_.fail("00001.tar", {{.break_off_after = 30'000}, {.status = 500}});
  const ProgramResult resumed = run_cloob(tiny_project(), arguments("stopped", {"--resume", "auto"}));
  ASSERT_EQ(resumed.exit_status, 0) << resumed.errors;
  const auto expected = weights("straight"), actual = weights("stopped");
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, tensor] : expected) EXPECT_TRUE(tensor.equal(actual.at(name))) << name;
}

TEST_F(Streams, APermanentlyFailingServerIsNamedAndStopsTheRun) {
  ASSERT_EQ(run_cloob(tiny_project(), {"data", "index", shards(), "--out", "indexes"}).exit_status, 0);
  server_.fail("00001.tar", std::vector<HttpFault>(1000, HttpFault{.status = 503}));
  const ProgramResult result = run_cloob(
      tiny_project(), train_arguments("failing", {"--data.train", shards(), "--data.stream.retries", "2",
                                                  "--data.stream.retry_seconds", "0.01", kIndexFolder}));
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr("00001.tar': the server answered 503 at byte 0; retry 1 of 2"));
  EXPECT_THAT(result.errors, HasSubstr("max_bad_share"));
  EXPECT_THAT(result.errors, HasSubstr("the server answered 503, 3 times in a row"));
}

TEST_F(Streams, ASignalEndsARunThatIsWaitingForAServer) {
  ASSERT_EQ(run_cloob(tiny_project(), {"data", "index", shards(), "--out", "indexes"}).exit_status, 0);
  const std::size_t before = server_.requests("00000.tar").size();
  for (const std::string shard : {"00000.tar", "00001.tar", "00002.tar"}) {
    server_.fail(shard, std::vector<HttpFault>(1000, HttpFault{.stall_after = 0}));
  }
  BackgroundProgram program(
      tiny_project(),
      train_arguments("waiting", {"--data.train", shards(), "--data.shuffle", "none", kIndexFolder}));
  while (program.is_running() && server_.requests("00000.tar").size() == before) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const Timer timer;
  program.send_signal(SIGTERM);
  EXPECT_EQ(program.wait(), 143);
  EXPECT_LT(timer.seconds(), 30) << "data.stream.timeout_seconds is 60";
  EXPECT_TRUE(fs::exists(tiny_project() / "waiting/data_report.json"));
}

// Whether any process has this word on its command line.
bool runs(const std::string& word) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::error_code ignored;
    if (!fs::exists(entry.path() / "cmdline", ignored)) continue;
    try {
      if (read_file(entry.path() / "cmdline").find(word) != std::string::npos) return true;
    } catch (const UserError&) {  // it has ended
    }
  }
  return false;
}

TEST(Pipe, CommandsEndWithTheProgramHoweverItEnds) {
  const auto becomes = [](bool expected, const std::string& word) {
    const Timer timer;
    while (runs(word) != expected && timer.seconds() < 30) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return runs(word) == expected;
  };
  for (const int signal_number : {SIGINT, SIGTERM, SIGKILL}) {
    // A unique number identifies the processes.
    const std::string word = std::to_string(1'000'000'000 + ::getpid() * 100LL + signal_number);
    BackgroundProgram program(tiny_project(), {"data", "list", "pipe:sleep " + word + " | cat"});
    ASSERT_TRUE(becomes(true, "sleep " + word));
    program.send_signal(signal_number);
    program.wait();
    EXPECT_TRUE(becomes(false, word)) << "after signal " << signal_number;
  }
}

// While a source is opened nothing is written, so there is nothing to wait for.
TEST(Signals, EndCommandsThatAreStillOpeningTheirData) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"data", "inspect", "pipe:sleep 60"},
           {"data", "index", "pipe:sleep 60", "--out", "sleeping_index"},
           {"data", "list", "pipe:sleep 60"},
           {"data", "pack", "pipe:sleep 60", "--out", "sleeping_pack"},
           {"data", "split", "pipe:sleep 60", "--parts", "a=1", "--out", "sleeping"}}) {
    BackgroundProgram program(tiny_project(), arguments);
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const Timer timer;
    program.send_signal(SIGTERM);
    EXPECT_EQ(program.wait(), 128 + SIGTERM) << arguments[1];
    EXPECT_LT(timer.seconds(), 2) << arguments[1];
  }
}

TEST(FullDisk, IndexingReportsItAndLeavesNoPartialFile) {
  const fs::path small = tiny_project() / "small_disk";
  const SmallDisk disk(small, "8k");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  { OutputFile(small / "filler").write(std::string(8192, 'x')); }
  const ProgramResult result =
      run_cloob(tiny_project(), {"data", "index", "data/train/*.tar", "--out", small.string()});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.errors, HasSubstr("No space left on device"));
  EXPECT_THAT(result.errors, HasSubstr(small.string()));
  EXPECT_EQ(std::distance(fs::directory_iterator(small), {}), 1);
  // The index only speeds up training, which works without it.
  const ProgramResult list = run_cloob(tiny_project(), {"data", "list", "pipe:cat data/train/00000.tar",
                                                        "--data.index_folder", small.string()});
  EXPECT_EQ(list.exit_status, 0);
  EXPECT_THAT(list.errors, HasSubstr("are not saved"));
}

}  // namespace
}  // namespace cloob::testing
