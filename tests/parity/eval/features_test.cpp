// Measures of features against numpy and scipy (tools/goldens/make_features.py).
#include <ATen/Functions.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "cloob/base/files.h"
#include "cloob/eval/feature_measures.h"
#include "support/support.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

at::Tensor matrix_of(const Json& rows) {
  std::vector<double> numbers;
  for (const Json& row : rows) numbers.insert(numbers.end(), row.begin(), row.end());
  return at::tensor(numbers).view({std::ssize(rows), -1}).to(at::kFloat);
}

class FeatureMeasuresParity : public ::testing::TestWithParam<const char*> {};

TEST_P(FeatureMeasuresParity, EqualTheirDefinitionsInNumpy) {
  const Json golden = Json::parse(read_file(testing::golden_path("eval/features.json"))).at(GetParam());
  const at::Tensor images = matrix_of(golden.at("images")), texts = matrix_of(golden.at("texts"));
  std::vector<std::int64_t> image_of_text(static_cast<std::size_t>(images.size(0)));
  std::iota(image_of_text.begin(), image_of_text.end(), 0);
  const FeatureMeasures measures =
      measure_features(std::vector<PairFeatures>{{images, texts, image_of_text}}, SingleProcess());
  const NamedNumbers numbers = named_numbers(measures);
  EXPECT_EQ(numbers.size(), golden.at("expected").size());
  for (const auto& [name, value] : numbers) {
    const double expected = golden.at("expected").at(name).get<double>();
    EXPECT_NEAR(value, expected, 1e-9 * std::max(1.0, std::abs(expected))) << name;
  }
}
INSTANTIATE_TEST_SUITE_P(Cases, FeatureMeasuresParity, ::testing::Values("spread", "cone"));

}  // namespace
}  // namespace cloob
