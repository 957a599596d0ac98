#include "train/run_schedule.h"

#include <cmath>
#include <memory>
#include <string>

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class EmptyEvaluation final : public Evaluation {
 public:
  std::vector<std::string> metric_names() const override { return {}; }
  NamedNumbers run(const FeatureEncoder&, const EncodeOptions&, const Collectives&) const override {
    return {};
  }
};

EvaluationSchedule schedule_of(std::int64_t every_epochs, std::optional<std::int64_t> every_steps,
                               bool at_end) {
  return {.every_epochs = every_epochs,
          .every_steps = every_steps,
          .at_end = at_end,
          .max_samples = std::nullopt};
}

CheckpointConfig saving(std::int64_t every_steps, std::int64_t every_epochs, bool at_end) {
  CheckpointConfig config;
  config.every_steps = every_steps;
  config.every_epochs = every_epochs;
  config.at_end = at_end;
  return config;
}

SuiteEntry entry(const std::string& name, const EvaluationSchedule& schedule) {
  return {name, "val/", std::make_shared<EmptyEvaluation>(), schedule};
}

std::vector<std::string> due(const RunSchedule& schedule, const RunProgress& progress) {
  std::vector<std::string> names;
  for (const SuiteEntry* each : schedule.due_evaluations(progress)) names.push_back(each->name);
  return names;
}

TEST(RunSchedule, SchedulesEveryEvaluationIndividually) {
  const EvaluationSuite suite({entry("pairs", schedule_of(1, {}, /*at_end=*/true)),
                               entry("imagenet", schedule_of(2, {}, /*at_end=*/false)),
                               entry("cifar10", schedule_of(0, 7, /*at_end=*/true))});
  const RunSchedule schedule({}, suite, /*evaluates_before_training=*/false, /*total_steps=*/50);
  EXPECT_THAT(due(schedule, {.step = 0, .epochs_done = 0}), IsEmpty());
  EXPECT_THAT(due(schedule, {.step = 7, .epochs_done = 0.7, .ends_episode = false}), ElementsAre("cifar10"));
  EXPECT_THAT(due(schedule, {.step = 10, .epochs_done = 1}), ElementsAre("pairs"));
  EXPECT_THAT(due(schedule, {.step = 20, .epochs_done = 2}), ElementsAre("pairs", "imagenet"));
  EXPECT_THAT(due(schedule, {.step = 50, .epochs_done = 4.5, .ends_episode = false}),
              ElementsAre("pairs", "cifar10"))
      << "at the end";
}

TEST(RunSchedule, EvaluatesBeforeTrainingIfRequested) {
  const EvaluationSuite suite({entry("pairs", schedule_of(0, {}, /*at_end=*/false))});
  const RunSchedule schedule({}, suite, /*evaluates_before_training=*/true, /*total_steps=*/50);
  EXPECT_THAT(due(schedule, {.step = 0, .epochs_done = 0}), ElementsAre("pairs"));
  EXPECT_THAT(due(schedule, {.step = 50, .epochs_done = 5}), IsEmpty());
}

TEST(RunSchedule, SavesByStepsEpochsAndAtTheEnd) {
  const EvaluationSuite suite;
  const RunSchedule schedule(saving(4, 2, /*at_end=*/true), suite, false, 50);
  const auto saves = [&](std::int64_t step, double epochs) {
    return schedule.save_is_due(
        {.step = step, .epochs_done = epochs, .ends_episode = epochs == std::floor(epochs)},
        /*may_be_best=*/true);
  };
  EXPECT_TRUE(saves(4, 0.4));
  EXPECT_FALSE(saves(5, 0.5));
  EXPECT_FALSE(saves(10, 1));
  EXPECT_TRUE(saves(20, 2));
  EXPECT_TRUE(saves(50, 5));
  const RunSchedule without_end(saving(0, 0, /*at_end=*/false), suite, false, 50);
  EXPECT_FALSE(without_end.save_is_due({.step = 50, .epochs_done = 5}, true));
}

TEST(RunSchedule, SavesWeightsThatMayBeTheBest) {
  const EvaluationSuite suite;
  CheckpointConfig config = saving(0, 0, /*at_end=*/false);
  config.best_metric = "val/loss";
  const RunSchedule schedule(config, suite, false, 50);
  EXPECT_TRUE(
      schedule.save_is_due({.step = 3, .epochs_done = 0.3, .ends_episode = false}, /*may_be_best=*/true));
  EXPECT_FALSE(
      schedule.save_is_due({.step = 3, .epochs_done = 0.3, .ends_episode = false}, /*may_be_best=*/false));
}

TEST(RunSchedule, SavesByElapsedTime) {
  const EvaluationSuite suite;
  CheckpointConfig config;
  config.every_minutes = 2;
  const RunSchedule schedule(config, suite, false, 50);
  EXPECT_FALSE(schedule.save_is_due(119.0));
  EXPECT_TRUE(schedule.save_is_due(120.0));
  EXPECT_FALSE(RunSchedule({}, suite, false, 50).save_is_due(1e9));
}

TEST(RunSchedule, AnEpochEndsWithTheEpisodeThatCompletesIt) {
  const EvaluationSuite suite({entry("every", schedule_of(1, {}, /*at_end=*/false)),
                               entry("second", schedule_of(2, {}, /*at_end=*/false))});
  const RunSchedule schedule({}, suite, /*evaluates_before_training=*/false, /*total_steps=*/1000);
  const auto after = [&](double episodes) {
    return due(schedule, {.step = static_cast<std::int64_t>(10 * episodes),
                          .epochs_done = episodes * 0.4,
                          .episode = 0.4,
                          .ends_episode = episodes == static_cast<double>(static_cast<int>(episodes))});
  };
  EXPECT_THAT(after(2), IsEmpty());
  EXPECT_THAT(after(2.5), IsEmpty()) << "a pass over the data, but in the middle of an episode";
  EXPECT_THAT(after(3), ElementsAre("every"));
  EXPECT_THAT(after(4), IsEmpty());
  EXPECT_THAT(after(5), ElementsAre("every", "second"));
  EXPECT_THAT(after(8), ElementsAre("every"));
  EXPECT_THAT(after(10), ElementsAre("every", "second"));
}

}  // namespace
}  // namespace cloob
