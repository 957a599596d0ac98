#include "cloob/report/metrics.h"

#include <cmath>
#include <limits>

#include "cloob/base/files.h"
#include "cloob/report/reporter.h"
#include "support/support.h"

namespace cloob {
namespace {

MetricsRecord record_at(std::int64_t step) {
  return {.step = step,
          .epoch = 0.25,
          .samples_seen = 64 * step,
          .time_s = 1.5,
          .metrics = {{"train/loss", 2.25}}};
}

std::string line_at(std::int64_t step) {
  return R"({"step": )" + std::to_string(step) + R"(, "epoch": 0.25, "samples_seen": )" +
         std::to_string(64 * step) + R"(, "time_s": 1.5, "train/loss": 2.25})" + "\n";
}

TEST(NamedNumbers, ArePrintedInOrderWithTheShortestExactDigits) {
  EXPECT_EQ(to_json({{"lr", 2e-4}, {"a", 0.1}, {"n", 12'800'000'000}, {"third", 1.0 / 3}}),
            R"({"lr": 0.0002, "a": 0.1, "n": 12800000000, "third": 0.3333333333333333})");
  EXPECT_EQ(to_json({}), "{}");
}

TEST(NamedNumbers, NonFiniteNumbersAreNull) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(to_json({{"nan", std::nan("")}, {"inf", -infinity}}), R"({"nan": null, "inf": null})");
  EXPECT_EQ(to_json({{"bad \xff \"name\"", 1}}), "{\"bad \xef\xbf\xbd \\\"name\\\"\": 1}");
}

TEST(MetricsWriter, AppendsOneObjectPerLine) {
  const testing::TempDir run;
  MetricsWriter(metrics_path(run.path())).write(record_at(10));
  MetricsWriter(metrics_path(run.path())).write(record_at(20));
  EXPECT_EQ(read_file(metrics_path(run.path())), line_at(10) + line_at(20));
}

TEST(ReadMetrics, RoundTrips) {
  const testing::TempDir run;
  MetricsRecord record = record_at(10);
  record.metrics = {{"train/lr", 1.0 / 3}, {"train/loss", std::nan("")}};
  MetricsWriter(metrics_path(run.path())).write(record);
  const std::vector<MetricsRecord> records = read_metrics(metrics_path(run.path()));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].step, 10);
  EXPECT_EQ(records[0].samples_seen, 640);
  EXPECT_EQ(records[0].time_s, 1.5);
  ASSERT_EQ(records[0].metrics.size(), 2U);
  EXPECT_EQ(records[0].metrics[0], (std::pair<std::string, double>("train/lr", 1.0 / 3)));
  EXPECT_TRUE(std::isnan(records[0].metrics[1].second));
}

TEST(ReadMetrics, SeparatesWordsFromNumbers) {
  const testing::TempDir run;
  MetricsRecord record = record_at(10);
  record.words = {{"data/bound_by", "compute"}, {"a \"name\"", "\xff"}};
  MetricsWriter(metrics_path(run.path())).write(record);
  EXPECT_THAT(read_file(metrics_path(run.path())),
              ::testing::HasSubstr(R"("train/loss": 2.25, "data/bound_by": "compute", "a \"name\"": ")"));
  const MetricsRecord read = read_metrics(metrics_path(run.path())).at(0);
  EXPECT_EQ(read.metrics, record.metrics);
  ASSERT_EQ(read.words.size(), 2U);
  EXPECT_EQ(read.words[0], record.words[0]);
}

TEST(ReadMetrics, SkipsAnIncompleteLastLine) {
  const testing::TempDir run;
  write_file_atomically(metrics_path(run.path()), line_at(10) + line_at(20).substr(0, 30));
  EXPECT_EQ(read_metrics(metrics_path(run.path())).size(), 1U);
}

TEST(ReadMetrics, NamesTheInvalidLine) {
  const testing::TempDir run;
  for (const std::string bad : {"{\"step\": 1}", "7", "{\"step\": \"x\"}", "nonsense"}) {
    write_file_atomically(metrics_path(run.path()), line_at(10) + bad + "\n" + line_at(20));
    testing::expect_user_error([&] { read_metrics(metrics_path(run.path())); },
                               {"metrics.jsonl:2", "step, epoch, samples_seen"});
  }
  testing::expect_user_error([] { read_metrics(metrics_path("/no/such/run")); },
                             {"/no/such/run/metrics.jsonl"});
}

TEST(DropMetricsAfter, KeepsTheLinesUpToTheStepByteForByte) {
  const testing::TempDir run;
  const std::string half = line_at(40).substr(0, 20);
  write_file_atomically(metrics_path(run.path()), line_at(10) + line_at(20) + line_at(30) + half);
  EXPECT_EQ(drop_metrics_after(metrics_path(run.path()), {.step = 20}), 2);
  EXPECT_EQ(read_file(metrics_path(run.path())), line_at(10) + line_at(20));
  EXPECT_EQ(drop_metrics_after(metrics_path(run.path()), {.step = 20}), 0);
  EXPECT_EQ(drop_metrics_after(metrics_path(run.path()), {.step = 0}), 2);
  EXPECT_EQ(read_file(metrics_path(run.path())), "");
}

TEST(DropMetricsAfter, DropsEvaluationsThatWillBeRepeated) {
  const testing::TempDir run;
  const auto path = metrics_path(run.path());
  {
    MetricsWriter writer(path);
    for (const std::int64_t step : {10, 20}) {
      writer.write({.step = step, .metrics = {{"train/loss", 1}}});
      writer.write({.step = step, .metrics = {{"val/loss", 2}}});
    }
  }
  EXPECT_EQ(drop_metrics_after(path, {.step = 20}), 0);
  EXPECT_EQ(drop_metrics_after(path, {.step = 20, .is_evaluated = false}), 1);
  EXPECT_EQ(read_metrics(path).size(), 3U);
  EXPECT_EQ(read_metrics(path).back().metrics.front().first, "train/loss");
}

TEST(DropMetricsAfter, DropsGarbageLeftByAPowerFailure) {
  const testing::TempDir run;
  write_file_atomically(metrics_path(run.path()), line_at(10) + std::string(100, '\0') + "\n" + line_at(20));
  EXPECT_EQ(drop_metrics_after(metrics_path(run.path()), {.step = 20}), 2);
  EXPECT_EQ(read_file(metrics_path(run.path())), line_at(10));
}

TEST(DropMetricsAfter, DoesNothingWithoutAFile) {
  const testing::TempDir run;
  EXPECT_EQ(drop_metrics_after(metrics_path(run.path()), {.step = 5}), 0);
  EXPECT_FALSE(std::filesystem::exists(metrics_path(run.path())));
}

TEST(Reporter, ContinuesTheFilesOfAResumedRun) {
  const testing::TempDir run;
  const ReportConfig config;
  {
    Reporter reporter(config, run.path(), std::nullopt);
    for (const std::int64_t step : {10, 20, 30}) reporter.write(record_at(step));
  }
  {
    Reporter reporter(config, run.path(), ResumePoint{.step = 20});
    reporter.write(record_at(30));
  }
  EXPECT_EQ(read_file(metrics_path(run.path())), line_at(10) + line_at(20) + line_at(30));
  const auto events = std::filesystem::directory_iterator(run / "tensorboard");
  EXPECT_EQ(std::distance(begin(events), end(events)), 2);
}

TEST(Reporter, WritesNoEventFilesWhenDisabled) {
  const testing::TempDir run;
  ReportConfig config;
  config.tensorboard = false;
  Reporter reporter(config, run.path(), std::nullopt);
  reporter.write(record_at(10));
  reporter.write_image(10, "first_batch", "");
  EXPECT_FALSE(std::filesystem::exists(run / "tensorboard"));
}

}  // namespace
}  // namespace cloob
