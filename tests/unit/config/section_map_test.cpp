// Sections under names that the user chooses.
#include <nlohmann/json.hpp>

#include <map>
#include <optional>
#include <string>

#include "cloob/config/config.h"
#include "support/support.h"

namespace cloob {
namespace {

struct ShareConfig {
  std::int64_t limit = 1;
  static constexpr auto fields() { return std::tuple(field("limit", &ShareConfig::limit, "How much.")); }
};
static_assert(lists_every_member<ShareConfig>);

struct PlanConfig {
  std::int64_t every_epochs = 1;
  std::optional<std::int64_t> limit;
  ShareConfig share;

  static constexpr auto fields() {
    return std::tuple(field("every_epochs", &PlanConfig::every_epochs, "How often.", Range{0, 100}),
                      field("limit", &PlanConfig::limit, "How much."),
                      field("share", &PlanConfig::share, "A part."));
  }
  void validate() const {
    if (limit && *limit == 13) throw_user_error("limit is 13, must be another number");
  }
};
static_assert(lists_every_member<PlanConfig>);

struct EvalSection {
  std::int64_t batch_size = 8;
  std::map<std::string, PlanConfig> plans;
  bool enabled = true;

  static constexpr auto fields() {
    return std::tuple(field("batch_size", &EvalSection::batch_size, "Images at once."),
                      field("plans", &EvalSection::plans, "One plan a data set."),
                      field("enabled", &EvalSection::enabled, "Whether to evaluate."));
  }
};
static_assert(lists_every_member<EvalSection>);

struct Config {
  EvalSection eval;
  static constexpr auto fields() { return std::tuple(field("eval", &Config::eval, "Evaluation.")); }
};
static_assert(lists_every_member<Config>);

Config read(const std::string& yaml, const std::vector<Override>& overrides = {}) {
  ConfigSource source = ConfigSource::from_text(yaml, "run.yaml");
  source.add_overrides(overrides);
  return read_config<Config>(source);
}

TEST(SectionMap, IsReadFromFilesAndTheCommandLine) {
  const Config config =
      read("eval:\n  plans:\n    cifar10: {every_epochs: 2}\n    'imagenet-v2.1': {limit: 50}\n",
           {{"eval.plans.cifar10.limit", "7"},
            {"eval.plans.imagenet-v2.1.every_epochs", "4"},
            {"eval.plans.new.limit", "1"}});
  ASSERT_EQ(config.eval.plans.size(), 3U);
  EXPECT_EQ(config.eval.plans.at("cifar10").every_epochs, 2);
  EXPECT_EQ(config.eval.plans.at("cifar10").limit, 7);
  EXPECT_EQ(config.eval.plans.at("imagenet-v2.1").every_epochs, 4);
  EXPECT_EQ(config.eval.plans.at("imagenet-v2.1").limit, 50);
  EXPECT_EQ(config.eval.plans.at("new").every_epochs, 1);
  EXPECT_TRUE(read("").eval.plans.empty());
}

TEST(SectionMap, HasSectionsWithSectionsOnTheCommandLine) {
  const Config config =
      read("", {{"eval.plans.cifar10.share.limit", "7"}, {"eval.plans.v2.1.share.limit", "8"}});
  ASSERT_EQ(config.eval.plans.size(), 2U);
  EXPECT_EQ(config.eval.plans.at("cifar10").share.limit, 7);
  EXPECT_EQ(config.eval.plans.at("v2.1").share.limit, 8);
}

TEST(SectionMap, PrintsWhatReadsBack) {
  Config config;
  EXPECT_EQ(print_config(config), "eval:\n  batch_size: 8\n  enabled: true\n");
  config.eval.plans["cifar10"].limit = 7;
  config.eval.plans["a: b.c"].every_epochs = 3;
  const std::string text = print_config(config);
  const Config again = read(text);
  ASSERT_EQ(again.eval.plans.size(), 2U) << text;
  EXPECT_EQ(again.eval.plans.at("cifar10").limit, 7);
  EXPECT_EQ(again.eval.plans.at("a: b.c").every_epochs, 3);
  EXPECT_EQ(setting_values(config).at("eval.plans.cifar10.limit"), "7");
}

TEST(SectionMap, RefusesWhatItDoesNotKnow) {
  const auto refused = [](const std::string& yaml, const std::vector<Override>& overrides,
                          std::initializer_list<std::string> parts) {
    testing::expect_user_error([&] { read(yaml, overrides); }, parts);
  };
  refused("eval:\n  plans:\n    cifar10: {every_epoch: 2}\n", {},
          {"run.yaml:3:15", "'eval.plans.cifar10.every_epoch'",
           "did you mean 'eval.plans.cifar10.every_epochs'?"});
  refused("eval:\n  plans:\n    cifar10: {every_epochs: 200}\n", {},
          {"eval.plans.cifar10.every_epochs is 200", "100"});
  refused("eval:\n  plans: 3\n", {}, {"run.yaml:2:10", "eval.plans"});
  refused("eval:\n  plans:\n    cifar10: 3\n", {}, {"eval.plans.cifar10", "every_epochs, limit"});
  refused("", {{"eval.plans", "3"}}, {"command line", "--eval.plans.NAME.SETTING VALUE"});
  refused("", {{"eval.plans.cifar10", "3"}}, {"eval.plans.cifar10"});
  refused("eval:\n  plans:\n    cifar10: {limit: 13}\n", {}, {"limit is 13"});
}

TEST(SectionMap, IsDocumentedOnceForAllNames) {
  const std::string docs = config_docs<Config>();
  EXPECT_THAT(docs, ::testing::HasSubstr("## eval.plans.NAME"));
  EXPECT_THAT(docs, ::testing::HasSubstr("`eval.plans.NAME.limit`"));
  const auto schema = nlohmann::json::parse(config_schema<Config>());
  const auto& plans = schema["properties"]["eval"]["properties"]["plans"];
  EXPECT_EQ(plans["additionalProperties"]["properties"]["every_epochs"]["maximum"], 100);
}

}  // namespace
}  // namespace cloob
