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

TEST(StopSignal, OutlivesTheTerminalWhereItIsToldTo) {
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

TEST(StopSignal, ForgetsAnEarlierOnesSignal) {
  {
    const StopSignal stop;
    std::raise(SIGINT);
  }
  const StopSignal stop;
  EXPECT_EQ(StopSignal::received(), 0);
}

TEST(StopSignal, LeavesTheProcessToTheSecondSignalOfEitherKind) {
  EXPECT_EXIT(
      {
        const StopSignal stop;
        std::raise(SIGINT);
        std::raise(SIGTERM);
      },
      ::testing::KilledBySignal(SIGTERM), "");
}

TEST(StopSignal, GivesBackWhatHandledSignalsBefore) {
  const auto before = std::signal(SIGINT, SIG_IGN);
  {
    const StopSignal stop;
    EXPECT_NE(std::signal(SIGINT, SIG_IGN), SIG_IGN);
  }
  EXPECT_EQ(std::signal(SIGINT, before), SIG_IGN);
}

}  // namespace
}  // namespace cloob
