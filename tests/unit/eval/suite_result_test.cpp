#include "cloob/eval/suite/suite_result.h"

#include <ATen/Functions.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eval/suite/suite_measures.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

class FixedClasses final : public LabeledSource {
 public:
  std::int64_t size() const override { return 7; }
  RawSample read(std::int64_t) const override { return {}; }
  std::string describe(std::int64_t) const override { return ""; }
  std::int64_t label(std::int64_t) const override { return 0; }
  const std::vector<std::string>& class_folders() const override { return folders_; }
  std::optional<std::filesystem::path> names_file() const override { return {}; }
  std::optional<std::filesystem::path> templates_file() const override { return {}; }

 private:
  std::vector<std::string> folders_ = {"a", "b"};
};

SuiteSet two_classes() {
  SuiteSet set{.name = "one, \"two\"", .config = {}, .tasks = {SuiteTask::zero_shot}};
  set.test_path = "images";
  set.classes = std::make_shared<FixedClasses>();
  set.prompts = {{"a", "b"}, {"{c}"}, {"a", "b"}, "the folders", "the default"};
  return set;
}

const SuiteModel kModel = {"run", "RN50", "runs/run", "0123"};

TEST(SuiteResult, IsReadAsItWasWritten) {
  const SuiteSet set = two_classes();
  const std::string settings = settings_of_result(kModel, set, SuiteTask::zero_shot, {}, "fp32");
  const SuiteMeasures measures = {
      .metrics = {{"acc1", 0.25, Interval{0.1, 0.4}}, {"acc5", std::numeric_limits<double>::quiet_NaN()}}};
  const std::string json = result_json(kModel, set, SuiteTask::zero_shot, measures, settings, 0.95, 1.5);
  const auto result = parse_result(json, settings);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->model, "run");
  EXPECT_EQ(result->set, set.name);
  EXPECT_EQ(result->task, SuiteTask::zero_shot);
  EXPECT_TRUE(result->was_finished);
  ASSERT_EQ(result->metrics.size(), 2U);
  EXPECT_EQ(result->metrics[0].value, 0.25);
  EXPECT_EQ(result->metrics[0].interval->high, 0.4);
  EXPECT_TRUE(std::isnan(result->metrics[1].value));
  EXPECT_EQ(results_csv(std::span(&*result, 1)),
            "checkpoint,model,dataset,task,metric,value,low,high\n"
            "run,RN50,\"one, \"\"two\"\"\",zeroshot_classification,acc1,0.25,0.1,0.4\n"
            "run,RN50,\"one, \"\"two\"\"\",zeroshot_classification,acc5,,,\n");
}

TEST(SuiteResult, IsOfOtherSettingsIfAnythingDiffers) {
  const SuiteSet set = two_classes();
  const std::string settings = settings_of_result(kModel, set, SuiteTask::zero_shot, {}, "fp32");
  const std::string json = result_json(kModel, set, SuiteTask::zero_shot, {.metrics = {}}, settings, 0.95, 1);
  SuiteModel other_model = kModel;
  other_model.hash = "4567";
  SuiteSettings other_seed;
  other_seed.seed = 1;
  SuiteSet other_names = set, other_templates = set, fewer = set, other_column = set, other_root = set,
           other_place = set, other_split = set, other_language = set;
  other_names.prompts.class_names[1] = "c";
  other_templates.prompts.templates[0] = "a {c}";
  fewer.config.max_samples = 3;
  other_column.config.data.csv.caption_columns = {"b"};
  other_root.config.data.image_root = "images";
  other_place.test_path = "elsewhere";
  other_split.config.split = "val";
  other_language.config.language = "de";
  for (const std::string& other :
       {settings_of_result(other_model, set, SuiteTask::zero_shot, {}, "fp32"),
        settings_of_result(kModel, other_names, SuiteTask::zero_shot, {}, "fp32"),
        settings_of_result(kModel, other_templates, SuiteTask::zero_shot, {}, "fp32"),
        settings_of_result(kModel, fewer, SuiteTask::zero_shot, {}, "fp32"),
        settings_of_result(kModel, other_column, SuiteTask::zero_shot, {}, "fp32"),
        settings_of_result(kModel, other_root, SuiteTask::zero_shot, {}, "fp32"),
        settings_of_result(kModel, other_place, SuiteTask::zero_shot, {}, "fp32"),
        settings_of_result(kModel, other_split, SuiteTask::zero_shot, {}, "fp32"),
        settings_of_result(kModel, other_language, SuiteTask::zero_shot, {}, "fp32"),
        settings_of_result(kModel, set, SuiteTask::zero_shot, other_seed, "fp32"),
        settings_of_result(kModel, set, SuiteTask::zero_shot, {}, "bf16")}) {
    EXPECT_FALSE(parse_result(json, other)) << other;
  }
}

TEST(SuiteResult, IsOfTheFolderThatWasLearntFrom) {
  SuiteSet set = two_classes();
  set.train = set.classes;
  set.train_path = "one/train";
  const auto settings = [](const SuiteSet& of) {
    return settings_of_result(kModel, of, SuiteTask::knn, {}, "fp32");
  };
  SuiteSet other = set, same = set, other_split = set;
  other.train_path = "two/train";
  same.train_path = (std::filesystem::current_path() / "one" / "x" / ".." / "train").string();
  same.test_path = std::filesystem::absolute(set.test_path).string();
  same.config.data.threads = 7;
  same.config.data.prefetch_batches = 9;
  other_split.config.train_split = "training";
  EXPECT_NE(settings(other), settings(set));
  EXPECT_NE(settings(other_split), settings(set));
  EXPECT_EQ(settings(same), settings(set)) << "the same, read in another way";
}

TEST(SuiteResult, FilesThatAreNoneAreRefused) {
  const testing::TempDir folder;
  for (const char* text : {"", "[]", "{\"dataset\": \"a\", \"metrics\": {}}", "{\"cloob\": 3}", "not json"}) {
    testing::write_text(folder / "a.json", text);
    testing::expect_user_error([&] { read_result_file(folder / "a.json"); },
                               {"is not the result of a suite"});
  }
}

TEST(SuiteMeasures, OfRetrievalAreThoseOfRetrievalMetrics) {
  const PairFeatures pairs = {
      at::eye(3), at::eye(3).index_select(0, at::tensor({0L, 1L, 2L, 0L, 2L})), {0, 1, 1, 0, 2}};
  const SuiteMeasures measures = measure_retrieval(std::span(&pairs, 1), SingleProcess(), {.draws = 50});
  ASSERT_EQ(measures.metrics.size(), 6U);
  EXPECT_EQ(measures.metrics[0].name, "image_retrieval_recall@1");
  EXPECT_DOUBLE_EQ(measures.metrics[0].value, 0.8) << "the third text is of another image";
  EXPECT_EQ(measures.metrics[1].name, "text_retrieval_recall@1");
  EXPECT_TRUE(measures.metrics[1].interval);
}

TEST(SuiteMeasures, HaveNoTop5OfFewClasses) {
  const std::vector<ZeroShotOutcome> outcomes = {{0, 0}, {1, 1}, {1, 0}, {2, 2}};
  const std::vector<SuiteMetric> metrics = accuracies("lp_", outcomes, 3, {.draws = 20});
  EXPECT_EQ(metrics[0].name, "lp_acc1");
  EXPECT_DOUBLE_EQ(metrics[0].value, 0.5);
  EXPECT_TRUE(std::isnan(metrics[1].value));
  EXPECT_FALSE(metrics[1].interval);
  EXPECT_DOUBLE_EQ(metrics[2].value, 0.5);
}

}  // namespace
}  // namespace cloob
