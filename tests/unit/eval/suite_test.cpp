#include "cloob/eval/suite.h"

#include <map>
#include <string>

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

// Returns the max_samples that it was given.
class MaxSamplesEvaluation final : public Evaluation {
 public:
  std::vector<std::string> metric_names() const override { return {"acc1", "num_samples"}; }
  NamedNumbers run(const FeatureEncoder&, const EncodeOptions& options, const Collectives&) const override {
    return {{"acc1", 0.5}, {"num_samples", static_cast<double>(options.max_samples.value_or(-1))}};
  }
};

SuiteEntry entry(const std::string& name, const EvalConfig& config) {
  return {name, "val/" + name + "_", std::make_shared<MaxSamplesEvaluation>(), schedule_of(config, name)};
}

TEST(Suite, ListsTheMetricsOfItsEntries) {
  const EvaluationSuite suite({entry("cifar10", {}), entry("imagenet", {})});
  EXPECT_THAT(suite.metric_names(), ElementsAre("val/cifar10_acc1", "val/imagenet_acc1"));
}

TEST(EvalConfig, RejectsTwoEvaluationsWithTheSameName) {
  EvalConfig config;
  config.zero_shot = {"a/test", "b/test/"};
  testing::expect_user_error([&] { config.validate(); },
                             {"two evaluations are named 'test'", "NAME=b/test/"});
  config.zero_shot = {"a/test", "other=b/test"};
  config.validate();
  config.zero_shot = {"pairs=a"};
  testing::expect_user_error([&] { config.validate(); }, {"two evaluations are named 'pairs'"});
}

TEST(EvalConfig, RejectsALinearProbeWithoutItsDataOrWithATakenName) {
  EvalConfig config;
  config.linear_probe["shape"].train = "train";
  testing::expect_user_error([&] { config.validate(); }, {"eval.linear_probe.shape.test is not set"});
  config.linear_probe["shape"].test = "test";
  config.validate();
  config.zero_shot = {"shape=a"};
  testing::expect_user_error([&] { config.validate(); }, {"two evaluations are named 'shape'"});
}

TEST(EvalConfig, RejectsALossOfOnePair) {
  EvalConfig config;
  config.evaluations["pairs"].max_samples = 1;
  testing::expect_user_error([&] { config.require_pairs(); },
                             {"eval.evaluations.pairs.max_samples is 1", "at least 2"});
  config.evaluations["pairs"].max_samples = 2;
  config.max_samples = 1;
  config.require_pairs();
}

TEST(ScheduleOf, OverridesTheGeneralSettings) {
  EvalConfig config;
  config.every_epochs = 2;
  config.every_steps = 500;
  config.max_samples = 1000;
  config.evaluations["imagenet"] = {
      .every_epochs = 8, .every_steps = {}, .at_end = false, .max_samples = 5000};
  config.evaluations["cifar10"] = {.every_epochs = {}, .every_steps = {}, .at_end = {}, .max_samples = 7};
  const EvaluationSchedule pairs = schedule_of(config, "pairs"), imagenet = schedule_of(config, "imagenet"),
                           cifar10 = schedule_of(config, "cifar10");
  EXPECT_EQ(pairs.every_epochs, 2);
  EXPECT_EQ(pairs.every_steps, 500);
  EXPECT_TRUE(pairs.at_end);
  EXPECT_EQ(pairs.max_samples, 1000);
  EXPECT_EQ(imagenet.every_epochs, 8);
  EXPECT_FALSE(imagenet.every_steps) << "only its own every_epochs applies";
  EXPECT_FALSE(imagenet.at_end);
  EXPECT_EQ(imagenet.max_samples, 5000);
  EXPECT_EQ(cifar10.every_epochs, 2);
  EXPECT_EQ(cifar10.every_steps, 500);
  EXPECT_EQ(cifar10.max_samples, 7);
}

TEST(MakeSuite, RejectsSettingsOfUnknownEvaluations) {
  EvalConfig config;
  config.evaluations["imagnet"] = {};
  testing::expect_user_error(
      [&] { make_suite(config, {}); },
      {"eval.evaluations.imagnet", "none: set data.val, eval.zero_shot, eval.linear_probe or eval.clusters"});
}

}  // namespace
}  // namespace cloob
