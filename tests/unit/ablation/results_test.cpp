// results.csv, choices.json, and the state of a run as its folder shows it.

#include "cloob/ablation/results.h"

#include <fmt/core.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "cloob/ablation/sweep_folder.h"
#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::TempDir;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

SweepPlan plan_of(const std::string& text) {
  const TempDir folder;
  write_file_atomically(
      folder / "base.yaml",
      fmt::format(
          "include: {}/configs/test/test-resnet.yaml\ntrain: {{steps: 2, device: cpu, precision: fp32}}\n",
          testing::source_dir().string()));
  write_file_atomically(folder / "sweep.yaml", "base: base.yaml\n" + text);
  return resolve_plan(read_sweep(folder / "sweep.yaml"), {});
}

RunResult done(NamedNumbers metrics) {
  return {.status = RunStatus::done, .steps = 2, .samples_per_second = 12.5, .metrics = std::move(metrics)};
}

TEST(Results, HaveARowForEveryRunAndAColumnForEveryMetric) {
  const SweepPlan plan = plan_of("axes: {a: {x: {}, y: {}}, b: {u: {}}}\nseeds: [0, 1]\n");
  const std::vector<RunResult> results = {
      done({{"val/b", 0.1}, {"val/c", kNan}}),
      {.status = RunStatus::failed, .failure = "it broke", .steps = 1, .metrics = {{"val/a", 1.0 / 3.0}}},
      {.status = RunStatus::stopped, .steps = 1},
      {}};
  EXPECT_EQ(results_csv(plan, results),
            "run,kind,a,b,seed,trial,status,steps,samples_s,val/a,val/b,val/c\n"
            "\"a=x,b=u,seed=0\",final,x,u,0,,done,2,12.5,,0.1,nan\n"
            "\"a=y,b=u,seed=0\",final,y,u,0,,failed,1,,0.3333333333333333,,\n"
            "\"a=x,b=u,seed=1\",final,x,u,1,,stopped,1,,,,\n"
            "\"a=y,b=u,seed=1\",final,y,u,1,,waiting,0,,,,\n");
}

constexpr const char* kSearch = R"(
axes: {a: {x: {}, y: {}}}
search:
  metric: val/loss
  direction: min
  settings: {optimizer.lr: [1e-3, 2e-3, 3e-3]}
)";

TEST(Choices, AreTheBestTrialOfEachVariantAndNeverOneWithoutAScore) {
  const SweepPlan plan = plan_of(kSearch);
  ASSERT_EQ(plan.runs.size(), 8u);
  std::vector<RunResult> results = {done({{"val/loss", kNan}}),
                                    done({{"val/loss", 2.0}}),
                                    done({{"val/loss", 1.5}}),
                                    done({{"val/loss", -std::numeric_limits<double>::infinity()}}),
                                    done({{"val/other", 0.0}}),
                                    {.status = RunStatus::failed, .metrics = {{"val/loss", 0.1}}},
                                    {},
                                    {}};
  std::vector<Choice> choices = choose(plan, results, {});
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_EQ(choices[0].chosen, "a=x,trial=2");
  EXPECT_FALSE(choices[0].trials[0].score);
  EXPECT_EQ(choices[0].trials[1].score, 2.0);
  EXPECT_EQ(choices[0].trials[2].settings.at("optimizer.lr"), "0.003");
  EXPECT_FALSE(choices[1].chosen);
  const auto json = nlohmann::json::parse(choices_json(choices));
  EXPECT_EQ(json["variants"][0]["values"], nlohmann::json::parse(R"({"a": "x"})"));
  EXPECT_EQ(json["variants"][0]["chosen"], "a=x,trial=2");
  EXPECT_EQ(json["variants"][0]["settings"], nlohmann::json::parse(R"({"optimizer.lr": "0.003"})"));
  EXPECT_EQ(json["variants"][0]["trials"][1],
            nlohmann::json::parse(
                R"({"run": "a=x,trial=1", "settings": {"optimizer.lr": "0.002"}, "score": 2.0})"));
  EXPECT_TRUE(json["variants"][0]["trials"][0]["score"].is_null());
  EXPECT_TRUE(json["variants"][1]["chosen"].is_null());
  // Equal ones: the first. A choice that was made stays.
  results[1] = results[2];
  EXPECT_EQ(choose(plan, results, {})[0].chosen, "a=x,trial=1");
  // With its scores, although its trials have been removed.
  const std::string before = choices_json(choices);
  const auto kept = read_choices(before, "c");
  ASSERT_EQ(kept.size(), 1u) << "the other variant has none";
  EXPECT_EQ(choices_json(choose(plan, std::vector<RunResult>(results.size()), kept)), before);
}

TEST(Choices, RefuseAFileThatIsSomethingElse) {
  for (
      const char* text :
      {"{}", "[]", "{\"variants\": [3]}", "{\"variants\": [{\"chosen\": 1, \"values\": {}}]}", "x",
       R"({"variants": [{"chosen": "a", "values": {}, "trials": [{"run": "a", "settings": {}, "score": "b"}]}]})"})
    expect_user_error([&] { read_choices(text, "choices.json"); }, {"'choices.json'"});
}

TEST(Choices, AreTheLargestIfTheyAreToBe) {
  std::string text = kSearch;
  text.replace(text.find("val/loss"), 8, "val/gap");
  const SweepPlan plan = plan_of(text.replace(text.find("min"), 3, "max"));
  const std::vector<RunResult> results = {done({{"val/gap", 1}}),
                                          done({{"val/gap", 2}}),
                                          done({{"val/gap", 1.5}}),
                                          done({{"val/gap", 0}}),
                                          done({{"val/gap", 0}}),
                                          done({{"val/gap", 1}}),
                                          {},
                                          {}};
  EXPECT_EQ(choose(plan, results, {})[0].chosen, "a=x,trial=1");
  EXPECT_EQ(choose(plan, results, {})[1].chosen, "a=y,trial=2");
}

TEST(SweepFolders, ReadWhatARunHasReached) {
  const TempDir temporary;
  const SweepFolder folder(temporary / "out", SweepFolder::Use::alone);
  EXPECT_EQ(folder.result_of("r").status, RunStatus::waiting);
  const auto run = folder.run_folder("r");
  make_directories(run);
  EXPECT_EQ(folder.result_of("r").status, RunStatus::waiting) << "it has only a lock";
  write_file_atomically(run / "metrics.jsonl",
                        R"({"step":2,"epoch":0,"samples_seen":10,"time_s":1.5,"train/loss":1}
{"step":2,"epoch":0,"samples_seen":10,"time_s":1.5,"val/early":0.25,"val/pairs_seconds":1.0}
{"step":4,"epoch":0,"samples_seen":20,"time_s":5.5,"train/loss":1,"data/bound_by":"data"}
{"step":4,"epoch":0,"samples_seen":20,"time_s":6.0,"val/loss":null,"val/a":0.1,"val/pairs_seconds":0.5}
)");
  write_file_atomically(
      run / "evaluations.jsonl",
      R"({"step":2,"epoch":0,"samples_seen":10,"time_s":1.5,"evaluation":"pairs","seconds":1.0}
{"step":4,"epoch":0,"samples_seen":20,"time_s":6.0,"evaluation":"pairs","seconds":1.0}
)");
  RunResult result = folder.result_of("r");
  EXPECT_EQ(result.status, RunStatus::stopped);
  EXPECT_EQ(result.steps, 4);
  EXPECT_EQ(result.samples_per_second, 5.0);
  ASSERT_EQ(result.metrics.size(), 2u) << "no durations, and nothing of an earlier evaluation";
  EXPECT_EQ(result.metrics[0], (std::pair<std::string, double>("val/a", 0.1)));
  EXPECT_TRUE(std::isnan(result.metrics[1].second));
  folder.mark_failed("r", "out of luck");
  result = folder.result_of("r");
  EXPECT_EQ(result.status, RunStatus::failed);
  EXPECT_EQ(result.failure, "out of luck");
  folder.clear_mark("r");
  EXPECT_EQ(folder.result_of("r").status, RunStatus::stopped);
  folder.mark_done("r");
  EXPECT_EQ(folder.result_of("r").status, RunStatus::done);
  std::filesystem::remove_all(run);
  EXPECT_EQ(folder.result_of("r").status, RunStatus::waiting) << "it is to be trained again";
}

TEST(SweepFolders, AreOfOneProcess) {
  const TempDir temporary;
  {
    const SweepFolder folder(temporary / "out", SweepFolder::Use::alone);
    expect_user_error([&] { SweepFolder(temporary / "out", SweepFolder::Use::alone); },
                      {"another process works on the sweep"});
    EXPECT_NO_THROW(SweepFolder(temporary / "out", SweepFolder::Use::reading));
    expect_user_error([&] { SweepFolder(temporary / "out", SweepFolder::Use::one_run); },
                      {"another process"});
  }
  const SweepFolder one(temporary / "out", SweepFolder::Use::one_run);
  EXPECT_NO_THROW(SweepFolder(temporary / "out", SweepFolder::Use::one_run));
  expect_user_error([&] { SweepFolder(temporary / "out", SweepFolder::Use::alone); }, {"another process"});
}

}  // namespace
}  // namespace cloob
