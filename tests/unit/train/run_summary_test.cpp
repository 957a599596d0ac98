#include "train/run_summary.h"

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

TEST(RunSummary, SaysHowTheRunEndedAndWhatToDoNext) {
  TrainingState state;
  state.step = 1200;
  state.evaluated_step = 1200;
  state.samples_seen = 9990;
  state.bad_samples = 10;
  state.time_s = 90;
  state.metrics = {{"val/acc1", 0.25}, {"val/pairs_seconds", 3.0}};
  RunSummary summary{.state = state,
                     .run_folder = "runs/a",
                     .loss = 0.5,
                     .chance_loss = 2.0,
                     .bad_samples = {},
                     .best_step = 800,
                     .best_metric = "val/acc1"};
  for (int i = 0; i < 10; ++i) summary.bad_samples.add(BadKind::missing_file, [] { return "x"; });
  EXPECT_THAT(
      sentences(summary),
      ElementsAre(
          "finished after 1,200 steps in 1m 30s: loss 0.5000 (chance 2.0000)",
          "evaluation of step 1,200: acc1 0.25", "best val/acc1: step 800, runs/a/checkpoints/best",
          "10 of 10,000 samples were unusable: 10 missing file; see runs/a/data_report.json",
          "next: cloob report runs/a, cloob eval zero-shot runs/a --data FOLDER, or cloob weights export runs/a "
          "--format open_clip --out FOLDER"));
  summary.has_weights_to_export = false;
  EXPECT_EQ(sentences(summary).back(),
            "next: cloob report runs/a, or cloob eval zero-shot runs/a --data FOLDER");
}

TEST(RunSummary, QuotesFoldersForAShell) {
  const TrainingState state;
  EXPECT_THAT(sentences({.state = state,
                         .run_folder = "my runs/a",
                         .loss = {},
                         .chance_loss = {},
                         .bad_samples = {},
                         .best_step = {},
                         .best_metric = ""})
                  .back(),
              ::testing::HasSubstr("cloob report 'my runs/a', cloob eval zero-shot 'my runs/a' --data"));
}

TEST(RunSummary, SaysIfNothingWasLearned) {
  const TrainingState state;
  EXPECT_THAT(sentences({.state = state,
                         .run_folder = "r",
                         .loss = 1.99,
                         .chance_loss = 2.0,
                         .bad_samples = {},
                         .best_step = {},
                         .best_metric = ""})
                  .front(),
              ::testing::HasSubstr("loss 1.9900 (chance 2.0000: the model has learned nothing)"));
}

TEST(RunSummary, LeavesOutWhatThereIsNot) {
  TrainingState state;
  state.step = 5;
  EXPECT_EQ(sentences({.state = state,
                       .run_folder = "r",
                       .loss = {},
                       .chance_loss = {},
                       .bad_samples = {},
                       .best_step = {},
                       .best_metric = ""})
                .size(),
            2U);
}

}  // namespace
}  // namespace cloob
