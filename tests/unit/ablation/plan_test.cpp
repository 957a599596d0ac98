// Which runs a sweep has, and what its file may not say.

#include "cloob/ablation/plan.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "cloob/ablation/sweep_config.h"
#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_user_error;
using testing::TempDir;

Sweep sweep_of(const std::string& text) {
  const TempDir folder;
  write_file_atomically(folder / "my.yaml", text);
  return read_sweep(folder / "my.yaml");
}

std::vector<std::string> names_of(const std::vector<PlannedRun>& runs) {
  std::vector<std::string> names;
  for (const PlannedRun& run : runs) names.push_back(run.name);
  return names;
}

std::vector<std::string> texts_of(const SweepSettings& settings) {
  std::vector<std::string> texts;
  for (const NamedNode& setting : settings) texts.push_back(setting.name + "=" + node_text(setting.value));
  return texts;
}

constexpr const char* kAxes = R"(base: base.yaml
axes:
  objective:
    CLIP: {objective: clip}
    CLOOB: {objective: cloob, retrieval: {beta: 14.3}}
  batch: {setting: train.global_batch_size, values: [64, 128]}
seeds: [0, 7]
)";

TEST(Plan, HasEveryCombinationOfTheAxesWithEverySeed) {
  const Sweep sweep = sweep_of(kAxes);
  EXPECT_EQ(sweep.config.name, "my");
  const std::vector<PlannedRun> runs = make_plan(sweep);
  EXPECT_THAT(names_of(runs),
              ::testing::ElementsAre("objective=CLIP,batch=64,seed=0", "objective=CLIP,batch=128,seed=0",
                                     "objective=CLOOB,batch=64,seed=0", "objective=CLOOB,batch=128,seed=0",
                                     "objective=CLIP,batch=64,seed=7", "objective=CLIP,batch=128,seed=7",
                                     "objective=CLOOB,batch=64,seed=7", "objective=CLOOB,batch=128,seed=7"));
  EXPECT_EQ(runs[2].values, (AxisValues{{"objective", "CLOOB"}, {"batch", "64"}}));
  EXPECT_THAT(texts_of(runs[2].settings),
              ::testing::ElementsAre("objective=cloob", "retrieval.beta=14.3", "train.global_batch_size=64"));
  EXPECT_EQ(runs[7].seed, 7);
  EXPECT_EQ(runs[0].kind, RunKind::final);
  EXPECT_EQ(trials_per_variant(runs), 0);
}

TEST(Plan, OfASweepWithoutAxesHasARunForEverySeed) {
  EXPECT_THAT(names_of(make_plan(sweep_of("base: b.yaml\nseeds: [3, 1]\n"))),
              ::testing::ElementsAre("seed=3", "seed=1"));
  EXPECT_THAT(names_of(make_plan(sweep_of("base: b.yaml\n"))), ::testing::ElementsAre("seed=0"));
}

TEST(Plan, LeavesOutWhatIsExcluded) {
  const std::string axes = kAxes;
  EXPECT_THAT(names_of(make_plan(sweep_of(axes + "exclude: [{objective: CLIP, batch: [64]}]\n"))),
              ::testing::ElementsAre("objective=CLIP,batch=128,seed=0", "objective=CLOOB,batch=64,seed=0",
                                     "objective=CLOOB,batch=128,seed=0", "objective=CLIP,batch=128,seed=7",
                                     "objective=CLOOB,batch=64,seed=7", "objective=CLOOB,batch=128,seed=7"));
  EXPECT_EQ(make_plan(sweep_of(axes + "exclude: [{objective: CLIP}]\n")).size(), 4u);
  const auto plan = [&](const std::string& exclude) { return [=] { make_plan(sweep_of(kAxes + exclude)); }; };
  expect_user_error(plan("exclude: [{objective: CLIP}, {objective: CLIP, batch: 64}]\n"),
                    {"my.yaml:8:30: ", "matches no combination"});
  expect_user_error(plan("exclude: [{objective: [CLIP, CLOOB]}]\n"), {"leaves no combination"});
  expect_user_error(plan("exclude: [{objectiv: CLIP}]\n"),
                    {"my.yaml:8:12: there is no axis 'objectiv', did you mean 'objective'?"});
  expect_user_error(plan("exclude: [{objective: CLAP}]\n"), {"has no 'CLAP', it has CLIP, CLOOB"});
  expect_user_error(plan("exclude: {objective: CLIP}\n"), {"must be a list of combinations"});
}

TEST(Plan, SearchesEveryVariantWithAsManyTrials) {
  const std::vector<PlannedRun> runs = make_plan(sweep_of(std::string(kAxes) + R"(
search:
  metric: val/loss
  direction: min
  settings: {optimizer.lr: [1e-3, 5e-4]}
  variants:
    CLIP: {loss.inv_tau: [10, 20]}
    objective=CLOOB: {optimizer.lr: [1, 2, 3, 4]}
  trial_settings: {train.steps: 5}
)"));
  ASSERT_EQ(runs.size(), 4u * 4u + 8u);
  EXPECT_EQ(trials_per_variant(runs), 4);
  EXPECT_EQ(runs[1].name, "objective=CLIP,batch=64,trial=1");
  EXPECT_EQ(runs[1].kind, RunKind::trial);
  EXPECT_EQ(runs[1].seed, 8) << "none of the final runs'";
  EXPECT_THAT(texts_of(runs[1].searched), ::testing::ElementsAre("optimizer.lr=1e-3", "loss.inv_tau=20"));
  EXPECT_THAT(texts_of(runs[2].searched), ::testing::ElementsAre("optimizer.lr=5e-4", "loss.inv_tau=10"));
  EXPECT_THAT(texts_of(runs[8].searched), ::testing::ElementsAre("optimizer.lr=1"));
  EXPECT_EQ(runs[16].name, "objective=CLIP,batch=64,seed=0");
  EXPECT_TRUE(runs[16].searched.empty());
  EXPECT_FALSE(runs[16].trial);
}

TEST(Plan, RefusesASearchThatIsNotFair) {
  const auto plan = [](const std::string& search) {
    return [=] { make_plan(sweep_of(kAxes + ("search:\n  metric: val/loss\n" + search))); };
  };
  expect_user_error(
      plan("  settings: {optimizer.lr: [1, 2]}\n  variants: {CLOOB: {retrieval.update_steps: [1, 2, 3]}}\n"),
      {"not fair", "objective=CLIP,batch=64 has 2 trials and objective=CLOOB,batch=64 has 6 trials"});
  expect_user_error(plan("  settings: {retrieval.beta: [1, 2]}\n"),
                    {"my.yaml:10:", "retrieval.beta is searched, and also set at ", "my.yaml:5:"});
  expect_user_error(plan("  settings: {optimizer.lr: [1, 2]}\n  trial_settings: {optimizer.lr: 1}\n"),
                    {"optimizer.lr is searched, and also set"});
  expect_user_error(plan("  settings: {train.epochs: [1, 2]}\n  trial_settings: {train.steps: 5}\n"),
                    {"train.epochs is searched, and also set at", "as train.steps"});
}

TEST(Sweep, SearchesInTheDirectionOfItsMetric) {
  const auto search = [](const std::string& text) {
    return "base: b.yaml\nseeds: [0, 1]\nsearch:\n  settings: {optimizer.lr: [1, 2]}\n  " + text + "\n";
  };
  const auto direction = [&](const std::string& text) {
    return sweep_of(search(text)).config.search.direction;
  };
  EXPECT_EQ(direction("metric: val/loss"), Direction::min);
  EXPECT_EQ(direction("metric: val/image_to_text_median_rank"), Direction::min);
  EXPECT_EQ(direction("metric: val/image_to_text_R@5"), Direction::max);
  EXPECT_EQ(direction("metric: val/cifar10_acc1\n  direction: max"), Direction::max);
  EXPECT_EQ(direction("metric: val/modality_gap"), std::nullopt);
  EXPECT_EQ(direction("metric: val/modality_gap\n  direction: min"), Direction::min);
  expect_user_error(
      [&] { direction("metric: val/loss\n  direction: max"); },
      {"my.yaml:6:", "search.direction is max, but of val/loss the smaller value is the better one"});
  // A trial must not be one of the final runs.
  expect_user_error([&] { direction("metric: val/loss\n  seed: 1"); },
                    {"my.yaml:6:", "search.seed is 1, which is one of seeds"});
  EXPECT_NO_THROW(direction("metric: val/loss\n  seed: 2"));
}

TEST(Plan, RefusesASettingThatTwoAxesSet) {
  expect_user_error(
      [] {
        make_plan(
            sweep_of("base: b.yaml\naxes:\n  a: {x: {optimizer.lr: 1}}\n  b: {y: {optimizer: {lr: 2}}}\n"));
      },
      {"my.yaml:4:", "optimizer.lr is set by two axes, first at", "my.yaml:3:"});
}

TEST(Sweep, SaysWhatIsWrongWithItsFile) {
  const auto sweep = [](const std::string& text) { return [=] { sweep_of("base: b.yaml\n" + text); }; };
  expect_user_error(sweep("axis: {}\n"), {"my.yaml:2:1: unknown key 'axis' of a sweep", "axes"});
  expect_user_error(sweep("search: {metrik: a}\n"),
                    {"my.yaml:2:10: unknown key 'metrik' of search", "metric"});
  expect_user_error(sweep("seeds: [0, 1, 0]\n"), {"my.yaml:2:8: the seed 0 is there twice"});
  expect_user_error(sweep("seeds: []\n"), {"seeds is empty"});
  expect_user_error(sweep("seeds: [a]\n"), {"my.yaml:2:9: seeds[0] is 'a'"});
  expect_user_error(sweep("axes:\n  objective:\n    CLIP: {}\n    CLIP: {}\n"),
                    {"my.yaml:5:5: 'CLIP' is set twice, first at", "my.yaml:4:5"});
  expect_user_error(sweep("axes:\n  beta: {setting: retrieval.beta, values: [4, 8, 4]}\n"),
                    {"my.yaml:3:50: the value 4 of axes.beta is there twice"});
  expect_user_error(sweep("axes:\n  beta: {setting: retrieval.beta, values: 4}\n"),
                    {"must have a list of 'values'"});
  expect_user_error(sweep("axes:\n  beta: {setting: retrieval.beta, value: [4]}\n"),
                    {"unknown key 'value' in axes.beta"});
  expect_user_error(sweep("axes:\n  crop: {setting: image.crop_scale, values: [[0.5, 1]]}\n"),
                    {"give it a name"});
  for (const char* name : {"a/b", "..", "a=b", "a,b", "a b", ".a", "+a", "-1", "ä"}) {
    expect_user_error(sweep(std::string("axes:\n  x: {\"") + name + "\": {}}\n"),
                      {"my.yaml:3:7: ", "cannot be a variant"});
    expect_user_error(sweep(std::string("axes:\n  \"") + name + "\": {x: {}}\n"), {"cannot be an axis"});
  }
  expect_user_error(sweep("axes: {seed: {a: {}}}\n"), {"cannot be called 'seed', which is a column"});
  expect_user_error(sweep("axes: {x: 3}\n"), {"must have variants"});
  expect_user_error(sweep("axes: {x: {a: 3}}\n"), {"axes.x.a must be settings"});
  expect_user_error(sweep("settings: {train: {seed: 3}}\n"), {"train.seed cannot be set here", "'seeds'"});
  expect_user_error(sweep("axes: {x: {a: {train.threads: 3}}}\n"),
                    {"train.threads cannot be set here", "'threads'"});
  expect_user_error(sweep("settings: {optimizer.lr: 1, optimizer: {lr: 2}}\n"),
                    {"'optimizer.lr' is set twice"});
  expect_user_error(sweep("search: {settings: {optimizer.lr: [1]}}\n"), {"search.metric is not set"});
  expect_user_error(sweep("search: {metric: val/loss}\n"), {"nothing to search"});
  expect_user_error(sweep("search: {metric: a, settings: {optimizer.lr: 1}}\n"),
                    {"must be a list of the values"});
  expect_user_error(sweep("search: {metric: a, settings: {optimizer.lr: [1, 1]}}\n"), {"tried twice with 1"});
  expect_user_error(
      sweep("search: {metric: a, variants: {CLAP: {optimizer.lr: [1]}}}\naxes: {o: {CLIP: {}}}\n"),
      {"no axis has the variant 'CLAP', did you mean 'CLIP'?"});
  expect_user_error(
      sweep("search: {metric: a, variants: {A: {optimizer.lr: [1]}}}\naxes: {o: {A: {}}, p: {A: {}}}\n"),
      {"the axes o and p have a 'A': write 'o=A'"});
  expect_user_error([] { sweep_of("seeds: [0]\n"); }, {"base is not set"});
  expect_user_error([] { sweep_of("- a\n"); }, {"must contain settings"});
}

}  // namespace
}  // namespace cloob
