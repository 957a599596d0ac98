#include "cloob/report/progress.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "cloob/base/log.h"
#include "cloob/base/timer.h"
#include "report/progress_line.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Progress half_way() {
  return {.label = "train",
          .step = 1500,
          .num_steps = 3000,
          .epoch = 1.5,
          .loss = 2.34567,
          .samples_per_second = 1234.5,
          .data_wait = 0.031,
          .bound_by = BoundBy::compute,
          .seconds_left = 252};
}

constexpr LineStyle kAscii = {.columns = 120, .unicode = false, .color = false};

LineStyle ascii(int columns) { return {.columns = columns, .unicode = false, .color = false}; }

// Width on the screen: escape sequences have none, a UTF-8 character has one column.
int visible_width(const std::string& text) {
  int width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = text.find('m', i);
    } else if ((text[i] & 0xc0) != 0x80) {
      ++width;
    }
  }
  return width;
}

TEST(ProgressBar, ShowsEverythingOnWideTerminals) {
  const std::string bar = std::string(20, '=') + std::string(20, '.');
  EXPECT_EQ(progress_bar(half_way(), ascii(200)),
            "train  50% " + bar +
                " 1,500/3,000 steps  epoch 1.50  loss 2.3457  1,235 samples/s  data wait 3%  bound by "
                "compute  4m 12s left");
}

TEST(ProgressBar, OmitsTheLeastImportantFirst) {
  const std::vector<std::string> by_importance = {"loss",     "left",      "samples/s",
                                                  "bound by", "data wait", "epoch"};
  std::size_t max_shown = 0;
  for (int columns = 20; columns <= 140; ++columns) {
    const std::string line = progress_bar(half_way(), ascii(columns));
    std::size_t shown = 0;
    while (shown < by_importance.size() && line.find(by_importance[shown]) != line.npos) ++shown;
    for (std::size_t i = shown; i < by_importance.size(); ++i)
      EXPECT_THAT(line, Not(HasSubstr(by_importance[i])));
    EXPECT_GE(shown, max_shown) << columns;
    max_shown = shown;
  }
  EXPECT_EQ(max_shown, by_importance.size());
}

TEST(ProgressBar, NeverReachesTheLastColumn) {
  for (const bool color : {false, true}) {
    for (int columns = 1; columns <= 140; ++columns) {
      const std::string line =
          progress_bar(half_way(), {.columns = columns, .unicode = true, .color = color});
      EXPECT_LE(visible_width(line), columns - 1);
      EXPECT_EQ(line.find("\u2501") != line.npos, columns >= 38) << columns;
    }
  }
}

TEST(ProgressBar, GrowsFromEmptyToFull) {
  Progress progress = {.label = "eval", .step = 0, .num_steps = 7};
  EXPECT_THAT(progress_bar(progress, kAscii), HasSubstr("  0% ....."));
  progress.step = 7;
  EXPECT_THAT(progress_bar(progress, kAscii), HasSubstr("100% " + std::string(40, '=') + " 7/7 steps"));
  progress.step = 6;
  EXPECT_THAT(progress_bar(progress, kAscii), HasSubstr("85% " + std::string(34, '=') + "......"));
}

TEST(ProgressBar, NeverShows100PercentBeforeTheLastStep) {
  EXPECT_THAT(progress_bar({.label = "train", .step = 9999, .num_steps = 10000}, kAscii), HasSubstr(" 99% "));
}

TEST(ProgressSentence, ContainsTheSameFiguresWithoutABar) {
  EXPECT_EQ(progress_sentence(half_way()),
            "step 1,500/3,000 (50%), epoch 1.50, loss 2.3457, 1,235 samples/s, data wait 3%, bound by "
            "compute, 4m 12s left");
  EXPECT_EQ(progress_sentence({.label = "train", .step = 5, .num_steps = 10}), "step 5/10 (50%)");
}

TEST(ProgressLine, NamesTheUnit) {
  const Progress images = {.label = "eval", .unit = "image", .step = 512, .num_steps = 1024};
  EXPECT_EQ(progress_sentence(images), "image 512/1,024 (50%)");
  EXPECT_THAT(progress_bar(images, kAscii), HasSubstr(" 512/1,024 images"));
}

TEST(ProgressDisplay, WritesALineEveryFewStepsAndForTheLast) {
  ProgressDisplay display(ProgressStyle::lines, /*every_steps=*/4);
  ::testing::internal::CaptureStderr();
  for (std::int64_t step = 1; step <= 10; ++step)
    display.update({.label = "train", .step = step, .num_steps = 10});
  display.finish();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "[train] step 4/10 (40%)\n[train] step 8/10 (80%)\n[train] step 10/10 (100%)\n");
}

TEST(ProgressDisplay, LimitsLinesOfOtherWorkByTime) {
  ::testing::internal::CaptureStderr();
  ProgressDisplay patient(ProgressStyle::lines, /*every_steps=*/1, /*every_seconds=*/3600);
  ProgressDisplay eager(ProgressStyle::lines, /*every_steps=*/100, /*every_seconds=*/0);
  for (std::int64_t done = 1; done <= 2; ++done) {
    patient.update({.label = "patient", .unit = "image", .step = done, .num_steps = 2});
    eager.update({.label = "eager", .unit = "image", .step = done, .num_steps = 2});
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "[eager] image 1/2 (50%)\n[eager] image 2/2 (100%)\n");
}

TEST(ProgressDisplay, WorkBetweenStepsStartsItsOwnInterval) {
  ProgressDisplay display(ProgressStyle::lines, /*every_steps=*/2, /*every_seconds=*/0.05);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ::testing::internal::CaptureStderr();
  display.update({.label = "train", .step = 1, .num_steps = 4});
  display.update({.label = "eval", .unit = "image", .step = 8, .num_steps = 16});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(ProgressDisplay, DrawsNoBarWhenBarsAreDisabled) {
  set_progress_bars(false);
  ::testing::internal::CaptureStderr();
  {
    ProgressDisplay display(ProgressStyle::bar, /*every_steps=*/1);
    display.update({.label = "train", .step = 2, .num_steps = 2});
  }
  set_progress_bars(true);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(ProgressDisplay, AutoMeansLinesWhenStandardErrorIsNotATerminal) {
  ::testing::internal::CaptureStderr();
  ProgressDisplay display(ProgressStyle::auto_, /*every_steps=*/1);
  display.update({.label = "train", .step = 1, .num_steps = 2});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "[train] step 1/2 (50%)\n");
}

TEST(ProgressDisplay, BarIsClearedForLogLinesAndRedrawn) {
  ::testing::internal::CaptureStderr();
  {
    ProgressDisplay display(ProgressStyle::bar, /*every_steps=*/1);
    display.update({.label = "train", .step = 1, .num_steps = 2});
    log_info("data", "hello");
    display.update({.label = "train", .step = 2, .num_steps = 2});
  }
  log_info("data", "bye");
  const std::string shown = ::testing::internal::GetCapturedStderr();
  // The bar, cleared, the log line, the bar again, the full bar, the full bar left on its own line.
  EXPECT_THAT(shown,
              ::testing::MatchesRegex("\r[^\r\n]*1/2[^\r\n]*\r\x1b\\[K\\[data\\] hello\n"
                                      "\r[^\r\n]*1/2[^\r\n]*\r[^\r\n]*2/2[^\r\n]*\r[^\r\n]*2/2[^\r\n]*\n"
                                      "\\[data\\] bye\n"));
}

TEST(ProgressDisplay, BarIsRedrawnAtMostTenTimesPerSecond) {
  ::testing::internal::CaptureStderr();
  const Timer timer;
  {
    ProgressDisplay display(ProgressStyle::bar, /*every_steps=*/1);
    for (std::int64_t step = 1; step < 1000; ++step) {
      display.update({.label = "train", .step = step, .num_steps = 1000});
    }
  }
  const std::string shown = ::testing::internal::GetCapturedStderr();
  // In addition to the first and the finished bar.
  EXPECT_LE(static_cast<double>(std::count(shown.begin(), shown.end(), '\r')), 10 * timer.seconds() + 2);
}

TEST(ProgressDisplay, NonePrintsNothing) {
  ::testing::internal::CaptureStderr();
  ProgressDisplay display(ProgressStyle::none, /*every_steps=*/1);
  display.update({.label = "train", .step = 2, .num_steps = 2});
  display.finish();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace cloob
