#include "cloob/report/sweep.h"

#include <cmath>

#include "cloob/base/files.h"
#include "cloob/report/csv.h"
#include "cloob/report/sweep_comparison.h"
#include "support/support.h"
#include "support/sweep_folder.h"

namespace cloob {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::expect_user_error;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::SweepFolder;
using testing::TempDir;

const std::string kRecall = "val/text_to_image_R@10";

SweepFolder folder_of(const std::vector<std::string>& clip, const std::vector<std::string>& cloob) {
  SweepFolder folder{.axes = {{"objective", {"CLIP", "CLOOB"}}}, .seeds = {}, .runs = {}};
  for (std::size_t seed = 0; seed < clip.size(); ++seed) {
    folder.seeds.push_back(static_cast<std::int64_t>(seed));
    folder.runs.push_back({{"CLIP"}, static_cast<std::int64_t>(seed), "done", {{kRecall, clip[seed]}}});
  }
  for (std::size_t seed = 0; seed < cloob.size(); ++seed)
    folder.runs.push_back({{"CLOOB"}, static_cast<std::int64_t>(seed), "done", {{kRecall, cloob[seed]}}});
  return folder;
}

struct Compared {
  SweepResults sweep;
  SweepComparison comparison;
  std::string verdict, problems;
};

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::unique_ptr<Compared> compare(const SweepFolder& folder, const SweepOptions& options = {}) {
  const TempDir temporary;
  write_sweep_folder(temporary.path(), folder);
  auto result = std::make_unique<Compared>();
  result->sweep = read_sweep_results(temporary.path());
  result->comparison = compare_sweep(result->sweep, options);
  result->verdict = joined(sweep_verdict(result->sweep, result->comparison));
  result->problems = joined(sweep_problems(result->sweep, result->comparison));
  return result;
}

const ReportTable& table_named(const std::vector<ReportTable>& tables, const std::string& title) {
  const auto found =
      std::ranges::find_if(tables, [&](const ReportTable& table) { return table.title.starts_with(title); });
  EXPECT_NE(found, tables.end()) << title;
  return *found;
}

TEST(SweepResults, ReadsPlanAndResults) {
  SweepFolder folder = folder_of({"0.5", "0.6"}, {"0.4"});
  folder.runs.push_back({{"CLOOB"}, 1, "waiting", {}});
  folder.choices =
      R"({"variants": [{"values": {"objective": "CLIP"}, "chosen": "t0", "settings": {"optim.lr": "0.001"},
          "trials": [{"run": "t0", "settings": {"optim.lr": 0.001}, "score": 0.25}, {"run": "t1", "settings": {}, "score": null}]}]})";
  folder.search = R"({"metric": "val/loss", "direction": "min", "trials": 2})";
  const auto result = compare(folder);
  const SweepResults& sweep = result->sweep;
  EXPECT_EQ(sweep.name, "tiny");
  ASSERT_EQ(sweep.runs.size(), 4U);
  EXPECT_EQ(sweep.runs[0].name, "objective=CLIP,seed=0");
  EXPECT_TRUE(sweep.runs[0].is_done());
  EXPECT_EQ(sweep.runs[0].metrics.at(kRecall), 0.5);
  EXPECT_EQ(sweep.runs[0].steps, 20);
  EXPECT_EQ(sweep.runs[0].samples_per_second, 1000.5);
  EXPECT_EQ(sweep.runs[0].last_value("val/num_images"), 100);
  EXPECT_EQ(sweep.runs[3].status, "waiting");
  EXPECT_EQ(sweep.search->better, Better::lower);
  EXPECT_EQ(sweep.choices[0].settings.at("optim.lr"), "0.001");
  EXPECT_EQ(sweep.choices[0].trials[0].settings.at("optim.lr"), "0.001");
  EXPECT_FALSE(sweep.choices[0].trials[1].score);
}

TEST(SweepResults, RefusesFilesThatAreNotThoseOfASweep) {
  const TempDir folder;
  const auto read_plan = [&](const std::string& plan) {
    write_file_atomically(folder / "plan.json", plan);
    return [&] { read_sweep_results(folder.path()); };
  };
  EXPECT_FALSE(is_sweep(folder.path()));
  expect_user_error(read_plan("{"), {"plan.json", "is not JSON"});
  expect_user_error(read_plan("[]"), {"plan.json", "is not the plan of a sweep"});
  expect_user_error(read_plan(R"({"format": 2})"), {"plan.json", "format 2"});
  expect_user_error(read_plan(R"({"format": 1, "axes": 5})"), {"is not the plan of a sweep"});
  expect_user_error(
      read_plan(
          R"({"format": 1, "axes": [], "seeds": [], "runs": [{"name": "a", "folder": "../b", "values": {}, "seed": 0}]})"),
      {"'a'", "not below"});
  write_sweep_folder(folder.path(), folder_of({"0.5"}, {"many"}));
  expect_user_error([&] { read_sweep_results(folder.path()); }, {"results.csv", "'many'", kRecall});
  write_file_atomically(folder / "results.csv", "run,kind\na\n");
  expect_user_error([&] { read_sweep_results(folder.path()); },
                    {"results.csv", "record 2", "1 fields", "has 2"});
  write_file_atomically(folder / "results.csv", "run,kind\n");
  expect_user_error([&] { read_sweep_results(folder.path()); }, {"results.csv", "no column 'status'"});
  write_file_atomically(folder / "results.csv", "run,kind\n\"a");
  expect_user_error([&] { read_sweep_results(folder.path()); }, {"ends within quotes"});
}

TEST(Csv, FieldsSurviveARoundTrip) {
  const TempDir folder;
  const std::vector<std::string> fields = {"a,b", "say \"no\"", "two\nlines", "", "plain"};
  std::string line;
  for (const std::string& field : fields) {
    if (&field != &fields.front()) line += ",";
    line += csv_field(field);
  }
  write_file_atomically(folder / "a.csv", line + "\r\n" + line + "\n");
  EXPECT_THAT(read_csv_records(folder / "a.csv"), ElementsAre(fields, fields));
  EXPECT_EQ(csv_value(std::nan("")), "");
  EXPECT_EQ(csv_value(0.1), "0.1");
}

TEST(SweepComparison, PairsSeeds) {
  // Differences -0.10, -0.11, -0.12.
  const auto result = compare(folder_of({"0.50", "0.61", "0.43"}, {"0.40", "0.50", "0.31"}));
  const MetricResult& metric = *result->comparison.main_result();
  EXPECT_EQ(metric.metric, kRecall);
  ASSERT_EQ(metric.systems.size(), 2U);
  EXPECT_FALSE(metric.systems[0].test);
  const PairedTest& test = *metric.systems[1].test;
  EXPECT_EQ(test.count, 3);
  EXPECT_NEAR(test.mean, -0.11, 1e-12);
  EXPECT_LT(test.p, 0.01);
  EXPECT_DOUBLE_EQ(test.sign_p, 0.25);
  EXPECT_THAT(
      result->verdict,
      AllOf(::testing::StartsWith(
                "Text to image, recall at 10: CLOOB (40.3 %) is behind CLIP (51.3 %) by 11.0 points (95 % "
                "interval 8.5 to 13.5 points, p = 0.0027). Paired t-test over three seeds.\n"),
            HasSubstr("With three seeds a sign test cannot be below p = 0.25")));
  EXPECT_THAT(result->problems, IsEmpty());
}

TEST(SweepComparison, SaysThatNothingCanBeConcluded) {
  EXPECT_THAT(
      compare(folder_of({"0.5", "0.6", "0.4"}, {"0.6", "0.5", "0.45"}))->verdict,
      HasSubstr(
          "No difference between CLOOB (51.7 %) and CLIP (50.0 %) can be concluded: CLOOB is ahead by 1.7 points"));
  EXPECT_THAT(compare(folder_of({"0.5"}, {"0.4"}))->verdict,
              HasSubstr("From a single seed nothing can be concluded; with it, CLOOB (40.0 %) is behind"));
  EXPECT_THAT(
      compare(folder_of({"0.5", "0.6"}, {"0.4", "0.5"}))->verdict,
      HasSubstr("CLOOB (45.0 %) is behind CLIP (55.0 %) by exactly 10.0 points with each of two seeds, and "
                "without any spread a t-test is not defined."));
  EXPECT_THAT(compare(folder_of({"0.5", "0.6"}, {}))->verdict, HasSubstr("Nothing is compared"));
  SweepFolder waiting = folder_of({"0.5"}, {"0.5"});
  for (auto& run : waiting.runs) run = {run.values, run.seed, "waiting", {}};
  EXPECT_THAT(compare(waiting)->verdict, AllOf(HasSubstr("Nothing can be concluded yet: none of the 2 runs"),
                                               HasSubstr("0 of 2 runs are done, 2 not finished")));
}

TEST(SweepComparison, TiesAreNeitherAheadNorBehind) {
  EXPECT_THAT(compare(folder_of({"0.5"}, {"0.5"}))->verdict,
              HasSubstr("with it, CLOOB (50.0 %) is equal to CLIP (50.0 %)."));
  EXPECT_THAT(
      compare(folder_of({"0.5", "0.5"}, {"0.5", "0.5"}))->verdict,
      HasSubstr("CLOOB (50.0 %) is equal to CLIP (50.0 %) with each of two seeds, and without any spread"));
  EXPECT_THAT(compare(folder_of({"0.5", "0.6"}, {"0.6", "0.5"}))->verdict,
              HasSubstr("can be concluded: on average they are equal (95 % interval"));
  SweepFolder blocks{
      .axes = {{"objective", {"CLIP", "CLOOB"}}, {"data", {"a", "b"}}}, .seeds = {0}, .runs = {}};
  for (const std::string data : {"a", "b"}) {
    blocks.runs.push_back({{"CLIP", data}, 0, "done", {{kRecall, data == "a" ? "0.5" : "0.6"}}});
    blocks.runs.push_back({{"CLOOB", data}, 0, "done", {{kRecall, data == "a" ? "0.6" : "0.5"}}});
  }
  EXPECT_THAT(compare(blocks)->verdict,
              HasSubstr("CLOOB is ahead of CLIP in 1 of 2 and on average equal (p = 1"));
}

// The third seed of CLOOB, the bad one, has failed: its pair counts for neither.
TEST(SweepComparison, MeansInAVerdictAreThoseOfThePairs) {
  SweepFolder folder = folder_of({"0.50", "0.60", "0.10"}, {"0.55", "0.66", "0.09"});
  folder.runs[5].status = "failed";
  const auto result = compare(folder);
  EXPECT_THAT(result->verdict, HasSubstr("CLOOB (60.5 %) and CLIP (55.0 %) can be concluded: CLOOB is ahead "
                                         "by 5.5 points"));
  EXPECT_NEAR(result->comparison.main_result()->systems[0].summary.mean, 0.4, 1e-12);
}

TEST(SweepComparison, LossesOfDifferentObjectivesAreNotCompared) {
  SweepFolder folder = folder_of({"0.5", "0.6"}, {"0.4", "0.4"});
  for (auto& run : folder.runs) run.metrics["val/loss"] = run.values[0] == "CLIP" ? "4.07" : "0.18";
  const auto result = compare(folder, {.metric = "val/loss"});
  EXPECT_THAT(result->verdict,
              AllOf(HasSubstr("losses of different objectives cannot be compared"), Not(HasSubstr("ahead"))));
  EXPECT_FALSE(result->comparison.main_result()->systems[1].test);
  EXPECT_THAT(table_named(sweep_tables(result->sweep, result->comparison), "Tests: validation loss").rows[1],
              ElementsAre("CLOOB", "0.18", "0", "2", "-", "-", "-", "-", "-", "-"));
  for (SweepRun& run : result->sweep.runs)
    run.config = {{"loss.kind", "info_nce"}, {"retrieval.kind", "none"}};
  const SweepComparison same = compare_sweep(result->sweep, {.metric = "val/loss"});
  EXPECT_TRUE(same.main_result()->systems[1].test);
  for (SweepRun& run : result->sweep.runs) {
    if (run.values[0] == "CLOOB") run.config["retrieval.kind"] = "hopfield";
  }
  const SweepComparison other = compare_sweep(result->sweep, {.metric = "val/loss"});
  EXPECT_THAT(
      sweep_verdict(result->sweep, other).front(),
      HasSubstr("CLOOB (info_nce with hopfield) and CLIP (info_nce): losses of different objectives cannot"));
}

TEST(SweepComparison, RoundingIsNoDifference) {
  // One query of 50,000 with each seed.
  EXPECT_THAT(compare(folder_of({"0.3", "0.4"}, {"0.30002", "0.40002"}))->verdict,
              AllOf(HasSubstr("t-test is not defined"), Not(HasSubstr("p < 0.001"))));
}

TEST(SweepComparison, TrialsJudgedOnReportedDataAreNamed) {
  const auto result = compare(folder_of({"0.5", "0.6"}, {"0.4", "0.4"}));
  SweepResults& sweep = result->sweep;
  sweep.runs[0].is_trial = true;
  sweep.runs[0].judged_on = {"/data/b", "/data/a"};
  sweep.runs[1].judged_on = {"/data/c"};
  sweep.runs[2].judged_on = {"/data/a"};  // of another variant
  const auto problems = [&] { return joined(sweep_problems(sweep, compare_sweep(sweep, {}))); };
  EXPECT_THAT(problems(), Not(HasSubstr("judged")));
  sweep.runs[1].judged_on = {"/data/c", "/data/a"};
  EXPECT_THAT(problems(), HasSubstr("Trials were judged on the same data (/data/a) as the final runs"));
}

TEST(SweepComparison, AnyMeasureCanBeThatOfTheVerdict) {
  const std::string color = "val/color_lp_acc1", shape = "val/shape_lp_acc1";
  SweepFolder folder = folder_of({"0.5", "0.6"}, {"0.4", "0.52"});
  for (auto& run : folder.runs) {
    const bool is_clip = run.values[0] == "CLIP";
    run.metrics[color] = is_clip ? "0.99" : "0.98";
    run.metrics[shape] = is_clip ? "0.2" + std::to_string(run.seed) : "0.4";
    for (const std::string name : {"val/color_", "val/shape_"}) {
      run.metrics[name + "num_classes"] = "8";
      run.metrics[name + "num_samples"] = "4096";
    }
  }
  const auto result = compare(folder, {.metric = shape});
  EXPECT_THAT(result->verdict, ::testing::StartsWith("Shape: linear probe, top-1 accuracy: CLOOB (40.0 %) is "
                                                     "ahead of CLIP (20.5 %) by 19.5 points"));
  const auto tables = sweep_tables(result->sweep, result->comparison);
  const auto& rows = table_named(tables, "Results").rows;
  EXPECT_THAT(rows, Contains(ElementsAre("color: linear probe, top-1 accuracy, %", "higher",
                                         "99.0 \u00b1 0.0", "98.0 \u00b1 0.0", "12.5")));
  EXPECT_THAT(rows, Contains(ElementsAre("shape: linear probe, top-1 accuracy, %", "higher",
                                         "20.5 \u00b1 0.7", "40.0 \u00b1 0.0", "12.5")));
}

TEST(SweepComparison, SystemsAtChanceAreNamed) {
  // 100 images: chance of R@10 is 10 %, three standard errors are 9 points.
  const auto one = compare(folder_of({"0.5", "0.6"}, {"0.12", "0.18"}));
  EXPECT_THAT(one->verdict, HasSubstr("Still at the level of chance: CLOOB (15.0 %, chance 10.0 %)"));
  const auto all = compare(folder_of({"0.1", "0.12"}, {"0.12", "0.18"}));
  EXPECT_THAT(all->verdict,
              AllOf(HasSubstr("Nothing can be concluded: no system has left the level of chance."),
                    HasSubstr("CLIP (11.0 %, chance 10.0 %) and CLOOB (15.0 %"), Not(HasSubstr("ahead"))));
  EXPECT_THAT(compare(folder_of({"0.5", "0.6"}, {"0.32", "0.38"}))->verdict,
              Not(HasSubstr("level of chance")));
}

TEST(SweepComparison, OnlyFinishedRunsAndFiniteNumbersCount) {
  SweepFolder folder = folder_of({"0.5", "0.6", "0.7"}, {"0.4", "nan", "0.1"});
  folder.runs[0].status = "failed";
  folder.runs[5].status = "stopped";
  const auto result = compare(folder);
  const MetricResult& metric = *result->comparison.main_result();
  EXPECT_EQ(metric.systems[0].summary.count, 2);
  EXPECT_EQ(metric.systems[1].summary.count, 1);
  EXPECT_EQ(metric.systems[1].test->count, 0);
  EXPECT_THAT(result->verdict, AllOf(HasSubstr("no seed with which both have a number"),
                                     HasSubstr("4 of 6 runs are done, 1 failed, 1 stopped on the way")));
  EXPECT_THAT(result->problems,
              AllOf(HasSubstr("Failed: objective=CLIP,seed=0."),
                    HasSubstr("Stopped on the way: objective=CLOOB,seed=2."),
                    HasSubstr("Not a number, and left out of means and tests: text to image, recall at 10 of "
                              "objective=CLOOB,seed=1.")));
}

TEST(SweepComparison, SystemsWithoutAResultAreNamed) {
  SweepFolder folder = folder_of({"nan", "nan"}, {"0.4", "0.5"});
  folder.axes[0].second.push_back("SigLIP");
  for (const std::int64_t seed : {0, 1}) folder.runs.push_back({{"SigLIP"}, seed, "failed", {}});
  EXPECT_THAT(
      compare(folder)->verdict,
      AllOf(HasSubstr("CLOOB and CLIP cannot be compared: there is no seed with which both have a number."),
            HasSubstr(
                "Without a result: CLIP (not a number in any finished run) and SigLIP (no finished run).")));
}

SweepFolder grid() {
  SweepFolder folder{
      .axes = {{"objective", {"CLIP", "CLOOB"}}, {"model", {"RN50", "ViT"}}, {"data", {"a", "b", "c"}}},
      .seeds = {0, 1},
      .runs = {}};
  double base = 0.3;
  for (const std::string model : {"RN50", "ViT"}) {
    for (const std::string data : {"a", "b", "c"}) {
      base += 0.05;
      for (const std::int64_t seed : {0, 1}) {
        const double clip = base + 0.01 * static_cast<double>(seed),
                     gain = 0.02 + 0.01 * static_cast<double>(seed);
        folder.runs.push_back({{"CLIP", model, data}, seed, "done", {{kRecall, std::to_string(clip)}}});
        folder.runs.push_back(
            {{"CLOOB", model, data}, seed, "done", {{kRecall, std::to_string(clip + gain)}}});
      }
    }
  }
  return folder;
}

TEST(SweepComparison, OtherAxesAreBlocksOfASignTest) {
  const auto result = compare(grid());
  const MetricResult& metric = *result->comparison.main_result();
  ASSERT_EQ(metric.over_blocks.size(), 1U);
  EXPECT_EQ(metric.over_blocks[0].test.count, 6);
  EXPECT_DOUBLE_EQ(metric.over_blocks[0].test.sign_p, 0.03125);
  EXPECT_NEAR(metric.over_blocks[0].test.mean, 0.025, 1e-9);
  EXPECT_THAT(
      result->verdict,
      HasSubstr(
          "Over 6 combinations of model and data, CLOOB is ahead of CLIP in 6 of 6 and on average ahead by 2.5 points (p = 0.031)."));
  // Six comparisons of one metric.
  EXPECT_NEAR(metric.systems[1].holm_p, std::min(1.0, 6 * metric.systems[1].test->p), 1e-12);
  const auto tables = sweep_tables(result->sweep, result->comparison);
  EXPECT_THAT(
      table_named(tables, "Sign tests over model, data").rows,
      Contains(ElementsAre("text to image, recall at 10, %", "CLOOB", "2.5", "6 of 6", "0.031", "0.031")));

  const std::string csv = sweep_csv(result->sweep, result->comparison);
  EXPECT_THAT(csv, HasSubstr("pairs_higher,pairs_lower,p_sign,p_sign_holm,pairs_are,value_to_reach,"));
  EXPECT_THAT(csv,
              ::testing::ContainsRegex("\nCLOOB,,,val/text_to_image_R@10,higher,,,,,,,6,0.02[45][0-9]*,,,,,,"
                                       "6,0,0.0312[0-9]*,0.0312[0-9]*,blocks,,,,,,\n"));

  const auto models = compare(grid(), {.compare = "model", .baseline = "ViT"});
  EXPECT_EQ(models->comparison.blocks.size(), 6U);
  EXPECT_THAT(models->verdict, HasSubstr("RN50 is ahead of ViT in 0 of 6 and on average behind by"));
}

// Two blocks cannot show anything by a sign test: those of the t-tests come first.
TEST(SweepComparison, FewBlocksAreJudgedOneByOne) {
  SweepFolder folder{.axes = {{"objective", {"CLIP", "CLOOB", "X"}}, {"lr", {"low", "high"}}},
                     .seeds = {0, 1, 2},
                     .runs = {}};
  for (const std::string lr : {"low", "high"}) {
    for (const std::int64_t seed : {0, 1, 2}) {
      const std::string digit = std::to_string(seed);
      folder.runs.push_back({{"CLIP", lr}, seed, "done", {{kRecall, "0.5" + digit}}});
      folder.runs.push_back({{"CLOOB", lr}, seed, "done", {{kRecall, "0.6" + digit + digit}}});
      folder.runs.push_back({{"X", lr}, seed, "waiting", {}});
    }
  }
  const auto result = compare(folder);
  EXPECT_THAT(
      result->verdict,
      AllOf(::testing::StartsWith("Text to image, recall at 10: CLOOB (lr=low; 61.1 %) is ahead of CLIP "
                                  "(lr=low; 51.0 %) by 10.1 points"),
            HasSubstr("CLOOB (lr=high; 61.1 %) is ahead of CLIP (lr=high; 51.0 %)"),
            HasSubstr("\nOver 2 combinations of lr, CLOOB is ahead of CLIP in 2 of 2"),
            HasSubstr("Without a result: X (no finished run).")));
  for (auto& run : folder.runs) {
    if (run.seed > 0) run.status = "waiting";
  }
  EXPECT_THAT(compare(folder)->verdict,
              ::testing::StartsWith(
                  "Text to image, recall at 10: From a single seed nothing can be concluded; with it, "
                  "CLOOB (lr=low; 60.0 %) is ahead of CLIP (lr=low; 50.0 %) by 10.0 points and CLOOB "
                  "(lr=high; 60.0 %) is ahead of CLIP (lr=high; 50.0 %) by 10.0 points."));
}

TEST(SweepComparison, ABaselineOfWhichThereIsOneIsThatOfAllBlocks) {
  SweepFolder folder{
      .axes = {{"objective", {"CLIP", "CLOOB"}}, {"beta", {"-", "4", "8"}}}, .seeds = {0, 1}, .runs = {}};
  for (const std::int64_t seed : {0, 1}) {
    const std::string more = seed == 0 ? "1" : "4";
    folder.runs.push_back({{"CLIP", "-"}, seed, "done", {{kRecall, "0.5"}}});
    folder.runs.push_back({{"CLOOB", "4"}, seed, "done", {{kRecall, "0.4" + more}}});
    folder.runs.push_back({{"CLOOB", "8"}, seed, "done", {{kRecall, "0.6" + more}}});
  }
  const auto result = compare(folder);
  ASSERT_THAT(result->comparison.shared_baselines, ElementsAre(0U));
  // With two seeds the intervals are wide.
  EXPECT_THAT(result->verdict, HasSubstr("CLOOB (beta=4; 42.5 %) and CLIP (beta=-; 50.0 %)"));
  EXPECT_THAT(result->problems, HasSubstr("is the only run of its kind"));
  EXPECT_TRUE(result->comparison.main_result()->over_blocks.empty());
}

TEST(SweepComparison, OptionsThatNameNothingAreRefused) {
  const TempDir temporary;
  write_sweep_folder(temporary.path(), folder_of({"0.5"}, {"0.4"}));
  const SweepResults sweep = read_sweep_results(temporary.path());
  expect_user_error([&] { compare_sweep(sweep, {.compare = "objectiv"}); }, {"did you mean 'objective'"});
  expect_user_error([&] { compare_sweep(sweep, {.baseline = "CLOB"}); }, {"did you mean 'CLOOB'"});
  expect_user_error([&] { compare_sweep(sweep, {.metric = "val/loss"}); },
                    {"no finished run has it", kRecall});
  EXPECT_EQ(compare_sweep(sweep, {.metric = "text_to_image_R@10"}).main_metric, kRecall);
}

TEST(SweepTables, ShowMeansSpreadsAndChance) {
  SweepFolder folder = folder_of({"0.5", "0.6"}, {"0.4", "0.4"});
  for (auto& run : folder.runs) {
    run.metrics["val/loss"] = "2.5";
    run.metrics["val/new_measure"] = "7";
    run.metrics["val/image_to_text_R@5"] = "0.25";
    run.metrics["val/pairs_seconds"] = "3";
  }
  const auto result = compare(folder, {.metric = kRecall});
  const auto tables = sweep_tables(result->sweep, result->comparison);
  const ReportTable& results = table_named(tables, "Results");
  EXPECT_THAT(results.header, ElementsAre("", "better", "CLIP", "CLOOB", "chance"));
  EXPECT_THAT(results.rows[0], ElementsAre("finished seeds", "", "2 of 2", "2 of 2", ""));
  EXPECT_THAT(results.rows[1][0], "image to text, recall at 5, %");
  EXPECT_THAT(results.rows[2], ElementsAre("text to image, recall at 10, %", "higher", "55.0 \u00b1 7.1",
                                           "40.0 \u00b1 0.0", "10.0"));
  EXPECT_THAT(results.rows[3], ElementsAre("validation loss", "lower", "2.5 \u00b1 0", "2.5 \u00b1 0", "4"));
  EXPECT_THAT(results.rows[4], ElementsAre("new_measure", "", "7 \u00b1 0", "7 \u00b1 0", ""));
  EXPECT_EQ(results.rows.size(), 5U);
  EXPECT_THAT(table_named(tables, "Tests: text to image").rows[1],
              ElementsAre("CLOOB", "40.0 %", "0.0", "2", "-15.0", "-78.5 to 48.5", "0.205", "0.205", "0 of 2",
                          "0.500"));
  EXPECT_TRUE(table_named(tables, "Tests of all measures").is_folded);
  const std::string csv = sweep_csv(result->sweep, result->comparison);
  EXPECT_THAT(csv, HasSubstr("objective,metric,better,seeds,mean,"));
  EXPECT_THAT(csv, HasSubstr("\nCLIP,val/text_to_image_R@10,higher,2,0.55,"));
}

TEST(SweepCharts, HaveTheMeanAndTheExtremesOfTheSeeds) {
  const auto result = compare(folder_of({"0.5", "0.6"}, {"0.4", "0.3"}));
  const std::vector<Chart> charts = sweep_charts(result->comparison);
  ASSERT_EQ(charts.size(), 3U);
  EXPECT_EQ(charts[0].title, "text to image, recall at 10");
  EXPECT_EQ(charts[0].group, "Image-text recall");
  ASSERT_EQ(charts[0].series.size(), 2U);
  const ChartPoint& last = charts[0].series[0].points.back();
  EXPECT_EQ(last.x, 480);
  EXPECT_NEAR(last.y, 55, 1e-9);
  EXPECT_NEAR(last.low, 50, 1e-9);
  EXPECT_NEAR(last.high, 60, 1e-9);
  ASSERT_EQ(charts[0].levels.size(), 1U);
  EXPECT_NEAR(charts[0].levels[0].y, 10, 1e-9);
  // Losses of different objectives are not comparable: a chart for each.
  EXPECT_EQ(charts[1].title, "training loss, CLIP");
  EXPECT_EQ(charts[2].title, "training loss, CLOOB");
}

TEST(SweepCharts, OfUnfinishedSystemsSaySo) {
  SweepFolder folder = folder_of({"0.5", "0.6"}, {"0.4", "0.3"});
  for (std::size_t run : {2, 3}) folder.runs[run].status = "stopped";
  const auto result = compare(folder);
  EXPECT_EQ(sweep_charts(result->comparison)[0].series[1].note, "(not finished)");
}

TEST(JoinSweeps, MakesTheSweepAnAxis) {
  const TempDir folder;
  for (const char* name : {"one", "two"})
    write_sweep_folder(folder / name, folder_of({"0.5", "0.6"}, {"0.4", "0.52"}));
  const SweepResults joined =
      join_sweeps({read_sweep_results(folder / "one"), read_sweep_results(folder / "two")});
  EXPECT_THAT(joined.axes.back().values, ElementsAre("tiny", "tiny (2)"));
  const SweepComparison comparison = compare_sweep(joined, {});
  EXPECT_THAT(comparison.blocks, ElementsAre("sweep=tiny", "sweep=tiny (2)"));
  SweepFolder other = folder_of({"0.5"}, {"0.4"});
  other.axes[0].first = "loss";
  write_sweep_folder(folder / "three", other);
  expect_user_error(
      [&] { join_sweeps({read_sweep_results(folder / "one"), read_sweep_results(folder / "three")}); },
      {"do not have the same axes"});
}

SweepFolder sweep_of(const std::vector<std::string>& objectives, const std::vector<std::string>& betas = {}) {
  SweepFolder folder{.axes = {{"objective", objectives}, {"beta", {"-"}}}, .seeds = {0, 1}, .runs = {}};
  folder.axes[1].second.insert(folder.axes[1].second.end(), betas.begin(), betas.end());
  for (const std::string& objective : objectives) {
    const bool has_beta = objective != "CLIP" && !betas.empty();
    for (const std::string& beta : has_beta ? betas : std::vector<std::string>{"-"}) {
      for (const std::int64_t seed : {0, 1})
        folder.runs.push_back(
            {{objective, beta}, seed, "done", {{kRecall, "0.5" + std::to_string(seed * seed)}}});
    }
  }
  return folder;
}

SweepResults joined_sweeps(const SweepFolder& one, const SweepFolder& two) {
  const TempDir folder;
  write_sweep_folder(folder / "one", one);
  write_sweep_folder(folder / "two", two);
  return join_sweeps({read_sweep_results(folder / "one"), read_sweep_results(folder / "two")});
}

TEST(JoinSweeps, ABaselineIsThatOfItsOwnSweepAlone) {
  const SweepResults data = joined_sweeps(sweep_of({"CLIP", "CLOOB"}), sweep_of({"CLOOB", "X"}));
  const SweepComparison comparison = compare_sweep(data, {});
  EXPECT_THAT(comparison.shared_baselines, IsEmpty());
  EXPECT_THAT(joined(sweep_verdict(data, comparison)), Not(HasSubstr("tiny (2)")));
  EXPECT_THAT(joined(sweep_problems(data, comparison)),
              HasSubstr("X (beta=-, sweep=tiny (2)) is not compared: there is no CLIP"));
  // In each sweep, CLIP is the baseline of both values of beta.
  const SweepFolder betas = sweep_of({"CLIP", "CLOOB"}, {"4", "8"});
  const SweepResults both = joined_sweeps(betas, betas);
  const SweepComparison shared = compare_sweep(both, {});
  ASSERT_EQ(shared.shared_baselines.size(), 2U);
  for (const SweepSystem& system : shared.systems)
    EXPECT_EQ(shared.systems[*shared.baseline_of(system)].sweep, system.sweep);
}

TEST(JoinSweeps, SearchesThatDifferAreNotOne) {
  const auto search_of = [](const std::string& json) {
    SweepFolder folder = sweep_of({"CLIP", "CLOOB"});
    folder.search = json;
    folder.choices =
        R"({"variants": [{"values": {"objective": "CLIP"}, "chosen": "t0", "settings": {}, "trials": []}]})";
    return folder;
  };
  const SweepFolder max = search_of(R"({"metric": "val/a", "direction": "max", "trials": 2})"),
                    min = search_of(R"({"metric": "val/a", "direction": "min", "trials": 2})"),
                    more = search_of(R"({"metric": "val/a", "direction": "max", "trials": 3})");
  EXPECT_EQ(joined_sweeps(max, max).search->num_trials, 2);
  EXPECT_EQ(joined_sweeps(max, more).search->num_trials, 0);
  const SweepResults differ = joined_sweeps(max, min);
  EXPECT_FALSE(differ.search);
  EXPECT_THAT(joined(sweep_verdict(differ, compare_sweep(differ, {}))),
              HasSubstr("did not choose among trials in the same way"));
}

}  // namespace
}  // namespace cloob
