#include "cloob/train/stop_signal.h"

#include <gtest/gtest.h>

#include <csignal>

namespace cloob {
namespace {

TEST(StopSignal, RemembersTheFirstSignal) {
  const StopSignal stop;
  EXPECT_EQ(StopSignal::received(), 0);
  std::raise(SIGTERM);
  EXPECT_EQ(StopSignal::received(), SIGTERM);
}

TEST(StopSignal, KeepsIgnoringSighupUnderNohup) {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  {
    const StopSignal stop;
    std::raise(SIGHUP);
    EXPECT_EQ(StopSignal::received(), 0);
  }
  std::signal(SIGHUP, SIG_DFL);
  {
    const StopSignal stop;
    std::raise(SIGHUP);
    EXPECT_EQ(StopSignal::received(), SIGHUP);
  }
  std::signal(SIGHUP, before);
}

TEST(StopSignal, SurvivesTheEndOfItsLog) {
  const auto before = std::signal(SIGPIPE, SIG_DFL);
  {
    const StopSignal stop;
    std::raise(SIGPIPE);
    EXPECT_EQ(StopSignal::received(), 0);
  }
  EXPECT_EQ(std::signal(SIGPIPE, before), SIG_DFL);
}

TEST(StopSignal, IgnoresTheSignalOfAnEarlierInstance) {
  {
    const StopSignal stop;
    std::raise(SIGINT);
  }
  const StopSignal stop;
  EXPECT_EQ(StopSignal::received(), 0);
}

TEST(StopSignal, TerminatesTheProcessAtTheSecondSignalOfAnyKind) {
  EXPECT_EXIT(
      {
        const StopSignal stop;
        std::raise(SIGINT);
        std::raise(SIGTERM);
      },
      ::testing::KilledBySignal(SIGTERM), "");
}

TEST(StopSignal, IgnoresFurtherSignalsForAWhile) {
  const StopSignal stop(std::chrono::seconds(100));
  std::raise(SIGUSR1);
  std::raise(SIGTERM);
  std::raise(SIGINT);
  EXPECT_EQ(StopSignal::received(), SIGUSR1);
}

TEST(StopSignal, TerminatesTheProcessAtASecondCtrlC) {
  EXPECT_EXIT(
      {
        const StopSignal stop(std::chrono::seconds(100));
        std::raise(SIGINT);
        std::raise(SIGINT);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

TEST(StopSignal, RestoresThePreviousHandlers) {
  const auto before = std::signal(SIGINT, SIG_IGN);
  {
    const StopSignal stop;
    EXPECT_NE(std::signal(SIGINT, SIG_IGN), SIG_IGN);
  }
  EXPECT_EQ(std::signal(SIGINT, before), SIG_IGN);
}

}  // namespace
}  // namespace cloob
