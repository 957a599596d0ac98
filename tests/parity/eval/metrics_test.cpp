// Metrics against values of open_clip_train, clip_benchmark, scikit-learn and numpy
// (tools/goldens/make_eval.py).
#include <ATen/Functions.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "cloob/eval/retrieval_metrics.h"
#include "cloob/eval/zero_shot_metrics.h"
#include "support/support.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

const Json& golden() {
  static const Json content = Json::parse(read_file(testing::golden_path("eval/metrics.json")));
  return content;
}

void append_numbers(const Json& nested, std::vector<double>& numbers) {
  if (!nested.is_array()) return numbers.push_back(nested.get<double>());
  for (const Json& part : nested) append_numbers(part, numbers);
}

// A tensor from nested lists of numbers.
at::Tensor tensor_of(const Json& nested) {
  std::vector<std::int64_t> sizes;
  for (const Json* level = &nested; level->is_array(); level = &level->front()) {
    sizes.push_back(static_cast<std::int64_t>(level->size()));
  }
  std::vector<double> numbers;
  append_numbers(nested, numbers);
  return at::tensor(numbers).reshape(sizes);
}

void expect_equal(const NamedNumbers& actual, const Json& expected) {
  std::size_t num_compared = 0;
  for (const auto& [name, value] : actual) {
    if (!expected.contains(name)) continue;
    ++num_compared;
    if (expected[name].is_null()) {
      EXPECT_TRUE(std::isnan(value)) << name;
    } else {
      EXPECT_NEAR(value, expected[name].get<double>(), 1e-12) << name;
    }
  }
  EXPECT_EQ(num_compared, expected.size());
}

class RetrievalParity : public ::testing::TestWithParam<const char*> {};

TEST_P(RetrievalParity, EqualsTheReferences) {
  const Json& test_case = golden().at("retrieval").at(GetParam());
  const auto image_of_text = test_case.at("image_of_text").get<std::vector<std::int64_t>>();
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const std::vector<PairFeatures> pairs = {{tensor_of(test_case.at("images")).to(type),
                                              tensor_of(test_case.at("texts")).to(type), image_of_text}};
    const RetrievalMetrics metrics = retrieval_metrics(pairs, SingleProcess());
    expect_equal(named_numbers(metrics), test_case.at("expected"));
  }
}
INSTANTIATE_TEST_SUITE_P(Cases, RetrievalParity, ::testing::Values("pairs", "captions", "ties", "published"));

class ZeroShotParity : public ::testing::TestWithParam<const char*> {};

TEST_P(ZeroShotParity, EqualsTheReferences) {
  const Json& test_case = golden().at("zero_shot").at(GetParam());
  const at::Tensor classifier_KD = tensor_of(test_case.at("classifier"));
  ZeroShotMeter meter(classifier_KD.size(0));
  meter.add_images(tensor_of(test_case.at("images")), classifier_KD,
                   test_case.at("labels").get<std::vector<std::int64_t>>());
  expect_equal(named_numbers(meter.metrics()), test_case.at("expected"));
}
INSTANTIATE_TEST_SUITE_P(Cases, ZeroShotParity, ::testing::Values("ten_classes", "three_classes"));

TEST(ZeroShotClassifier, EqualsClipBenchmarks) {
  const Json& test_case = golden().at("classifier");
  testing::expect_close(zero_shot_classifier(tensor_of(test_case.at("prompts"))),
                        tensor_of(test_case.at("expected")), 0, 1e-12);
}

// OVEN's program rounds the accuracies to hundredths of a percent.
TEST(SeenUnseenParity, EqualsTheEvaluationOfOven) {
  for (const Json& test_case : Json::parse(read_file(testing::golden_path("fine_grained/oven.json")))) {
    const auto num_classes = test_case["num_classes"].get<std::int64_t>();
    const auto labels = test_case["labels"].get<std::vector<std::int64_t>>();
    const auto predictions = test_case["predictions"].get<std::vector<std::int64_t>>();
    std::vector<bool> is_seen(static_cast<std::size_t>(num_classes));
    for (const std::size_t label : test_case["seen"]) is_seen[label] = true;
    ZeroShotMeter meter(num_classes);
    meter.add(at::eye(num_classes).index_select(0, at::tensor(predictions)), labels);
    const SeenUnseenMetrics metrics = meter.seen_unseen(is_seen);
    const Json& expected = test_case["percent"];
    EXPECT_NEAR(100 * metrics.acc1_seen, expected["seen"].get<double>(), 5.01e-3) << test_case["name"];
    EXPECT_NEAR(100 * metrics.acc1_unseen, expected["unseen"].get<double>(), 5.01e-3) << test_case["name"];
    EXPECT_NEAR(100 * metrics.harmonic_mean, expected["harmonic_mean"].get<double>(), 1e-2)
        << test_case["name"];
  }
}

}  // namespace
}  // namespace cloob
