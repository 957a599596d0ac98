#include <cmath>

#include "cloob/base/text.h"
#include "cloob/report/sweep.h"
#include "cloob/report/sweep_comparison.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kRecall = "val/text_to_image_R@10";

// Evaluated every 100 samples, which take 10 seconds, or as many as `seconds` says.
SweepRun run_of(const std::string& value, std::int64_t seed, const std::vector<double>& curve,
                double seconds = 10, const std::string& metric = kRecall) {
  SweepRun run{.name = value + std::to_string(seed), .values = {value}, .seed = seed, .status = "done"};
  for (std::size_t i = 0; i < curve.size(); ++i) {
    const auto number = static_cast<std::int64_t>(i) + 1;
    run.evaluations.push_back({.step = 10 * number,
                               .samples_seen = 100 * number,
                               .time_s = seconds * static_cast<double>(number),
                               .metrics = {{metric, curve[i]}}});
  }
  run.metrics[metric] = curve.back();
  return run;
}

SweepResults sweep_of(std::vector<SweepRun> runs) {
  SweepResults sweep{.name = "tiny", .axes = {{"objective", {"CLIP", "CLOOB", "SigLIP"}}}, .seeds = {0, 1}};
  sweep.runs = std::move(runs);
  return sweep;
}

std::string verdict_of(const SweepResults& sweep) {
  return join(sweep_verdict(sweep, compare_sweep(sweep, {})), "\n");
}

TEST(Reaching, IsTheFirstEvaluationAtOrAboveTheFinalValueOfTheBaseline) {
  const SweepResults sweep =
      sweep_of({run_of("CLIP", 0, {0.1, 0.2, 0.3, 0.4}),
                run_of("CLOOB", 0, {0.3, 0.45, 0.5, 0.6}, 15),    // between 100 and 200 samples: after 200
                run_of("SigLIP", 0, {0.1, 0.2, 0.4, 0.3}, 10)});  // exactly at it, and not at the end
  const SweepComparison comparison = compare_sweep(sweep, {});
  ASSERT_EQ(comparison.reaching.size(), 3U);
  const Reaching &clip = comparison.reaching[0].mean, &cloob = comparison.reaching[1].mean,
                 &siglip = comparison.reaching[2].mean;
  EXPECT_EQ(clip.target, 0.4);
  EXPECT_EQ(clip.own->samples, 400);
  EXPECT_EQ(clip.samples_ratio(), 1);
  EXPECT_EQ(cloob.own->samples, 200);
  EXPECT_EQ(cloob.own->seconds, 30);
  EXPECT_EQ(cloob.samples_ratio(), 0.5);
  EXPECT_EQ(cloob.seconds_ratio(), 0.75);
  EXPECT_EQ(siglip.own->samples, 300);
  EXPECT_THAT(
      verdict_of(sweep),
      HasSubstr(
          "CLIP first has its final value of text to image, recall at 10 (40.0 %) after 400 samples and "
          "40.0s, CLOOB after 200 (0.50 times as many) and 30.0s (0.75 times) and SigLIP after 300 (0.75 "
          "times as many) and 30.0s (0.75 times)."));
}

TEST(Reaching, SaysWhatIsNotReached) {
  const SweepResults sweep = sweep_of({run_of("CLIP", 0, {0.1, 0.4}), run_of("CLOOB", 0, {0.2, 0.39})});
  const SweepComparison comparison = compare_sweep(sweep, {});
  EXPECT_FALSE(comparison.reaching[1].mean.own);
  EXPECT_TRUE(std::isnan(comparison.reaching[1].mean.samples_ratio()));
  EXPECT_THAT(verdict_of(sweep), HasSubstr("after 200 samples and 20.0s; CLOOB does not reach it."));
  const auto tables = sweep_tables(sweep, comparison);
  const auto table = std::ranges::find_if(tables, [](const ReportTable& each) {
    return each.title.starts_with("How soon the final value of CLIP");
  });
  ASSERT_NE(table, tables.end());
  EXPECT_THAT(table->rows[0], ElementsAre("CLIP", "40.0", "200", "1.00", "20.0s", "1.00", "-"));
  EXPECT_THAT(table->rows[1], ElementsAre("CLOOB", "40.0", "not reached", "-", "-", "-", "0 of 1"));
  const std::string csv = sweep_csv(sweep, comparison);
  EXPECT_THAT(
      csv,
      AllOf(HasSubstr(
                ",value_to_reach,is_reached,samples_to_reach,seconds_to_reach,samples_ratio,seconds_ratio\n"),
            HasSubstr(",0.4,yes,200,20,1,1\n"), HasSubstr(",0.4,no,,,,\n")));
}

// A baseline that rises and falls again has its final value long before its end.
TEST(Reaching, ComparesWithThePlaceWhereTheBaselineIsFirstThere) {
  const SweepResults sweep =
      sweep_of({run_of("CLIP", 0, {0.1, 0.5, 0.6, 0.4}), run_of("CLOOB", 0, {0.4, 0.5, 0.6, 0.7})});
  const SweepComparison comparison = compare_sweep(sweep, {});
  EXPECT_EQ(comparison.reaching[0].mean.own->samples, 200);
  EXPECT_EQ(comparison.reaching[1].mean.own->samples, 100);
  EXPECT_EQ(comparison.reaching[1].mean.samples_ratio(), 0.5);
}

TEST(Reaching, IsThatOfTheMeanCurveAndOfEachSeed) {
  // Means: CLIP 0.15, 0.35, 0.45; CLOOB 0.3, 0.4, 0.5.
  const SweepResults sweep =
      sweep_of({run_of("CLIP", 0, {0.1, 0.2, 0.3}), run_of("CLIP", 1, {0.2, 0.5, 0.6}, 20),
                run_of("CLOOB", 0, {0.3, 0.4, 0.45}), run_of("CLOOB", 1, {0.3, 0.4, 0.55}, 30)});
  const SweepComparison comparison = compare_sweep(sweep, {});
  const SystemReaching& cloob = comparison.reaching[1];
  EXPECT_DOUBLE_EQ(cloob.mean.target, 0.45);
  EXPECT_EQ(cloob.mean.own->samples, 300);
  EXPECT_EQ(cloob.mean.own->seconds, 60);
  EXPECT_EQ(cloob.mean.seconds_ratio(), 60.0 / 45);
  ASSERT_EQ(cloob.by_seed.size(), 2U);
  EXPECT_EQ(cloob.by_seed[0].target, 0.3);
  EXPECT_DOUBLE_EQ(cloob.by_seed[0].samples_ratio(), 1.0 / 3);
  EXPECT_FALSE(cloob.by_seed[1].own);
}

TEST(Reaching, OfALossIsAtOrBelowIt) {
  const std::string loss = "val/loss";
  const SweepResults sweep =
      sweep_of({run_of("CLIP", 0, {3, 2.5, 2}, 10, loss), run_of("CLOOB", 0, {2.2, 1.9, 2.5}, 10, loss)});
  SweepResults same = sweep;
  for (SweepRun& run : same.runs) run.config = {{"loss.kind", "info_nce"}};
  EXPECT_EQ(compare_sweep(same, {}).reaching[1].mean.own->samples, 200);
  // Losses of other objectives say nothing about each other.
  for (SweepRun& run : same.runs) run.config = {{"loss.kind", run.values[0]}};
  EXPECT_EQ(compare_sweep(same, {}).reaching.size(), 1U);
  EXPECT_THAT(verdict_of(same), Not(HasSubstr("first has its final value")));
}

TEST(Reaching, CountsFinishedSeedsThatBothHave) {
  SweepResults sweep =
      sweep_of({run_of("CLIP", 0, {0.1, 0.2}), run_of("CLIP", 1, {0.5, 0.9}), run_of("CLOOB", 0, {0.3, 0.4}),
                run_of("CLOOB", 1, {0.3, 0.4}), run_of("SigLIP", 0, {0.1, NAN, 0.3})});
  sweep.runs[3].status = "stopped";
  sweep.runs[3].metrics.clear();
  const SweepComparison comparison = compare_sweep(sweep, {});
  ASSERT_EQ(comparison.reaching.size(), 3U);
  EXPECT_EQ(comparison.reaching[1].mean.target, 0.2);
  EXPECT_EQ(comparison.reaching[1].mean.own->samples, 100);
  EXPECT_EQ(comparison.reaching[2].mean.own->samples, 300) << "what is not a number is left out";
}

TEST(Reaching, HasNoAnswerWithoutADirectionOrABaselineThatHasLearned) {
  const SweepResults undirected = sweep_of(
      {run_of("CLIP", 0, {1, 2}, 10, "val/new_measure"), run_of("CLOOB", 0, {1, 2}, 10, "val/new_measure")});
  EXPECT_THAT(compare_sweep(undirected, {}).reaching, IsEmpty());
  SweepResults at_chance = sweep_of({run_of("CLIP", 0, {0.1, 0.1}), run_of("CLOOB", 0, {0.3, 0.5})});
  for (SweepRun& run : at_chance.runs) run.metrics["val/num_images"] = run.metrics["val/num_texts"] = 100;
  EXPECT_THAT(compare_sweep(at_chance, {}).reaching, IsEmpty());
}

}  // namespace
}  // namespace cloob
