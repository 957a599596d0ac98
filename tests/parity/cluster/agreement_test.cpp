// The agreement of labels against scikit-learn (tools/goldens/make_cluster.py).
#include "cloob/cluster/agreement.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "support/support.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

at::Tensor labels_of(const Json& numbers) {
  return at::tensor(numbers.get<std::vector<std::int64_t>>(), at::kLong);
}

TEST(Agreement, IsThatOfScikitLearn) {
  const Json golden = Json::parse(read_file(testing::golden_path("cluster/agreement.json")));
  ASSERT_GT(golden.size(), 5u);
  for (const Json& labelings : golden) {
    const at::Tensor labels_N = labels_of(labelings.at("labels")), other_N = labels_of(labelings.at("other"));
    SCOPED_TRACE(labels_N.numel());
    EXPECT_NEAR(adjusted_rand_index(labels_N, other_N), labelings.at("ari").get<double>(), 1e-12);
    EXPECT_NEAR(adjusted_mutual_information(labels_N, other_N), labelings.at("ami").get<double>(), 1e-12);
    EXPECT_NEAR(adjusted_mutual_information(other_N, labels_N), labelings.at("ami").get<double>(), 1e-12);
  }
}

TEST(Agreement, DoesNotDependOnTheNumbersOfClusters) {
  const at::Tensor labels_N = at::tensor({0, 0, 1, 1, 2, 2, 2}, at::kLong);
  const at::Tensor renamed_N = at::tensor({900, 900, -1, -1, 5, 5, 5}, at::kLong);
  EXPECT_EQ(adjusted_rand_index(labels_N, renamed_N), 1);
  EXPECT_EQ(adjusted_mutual_information(labels_N, renamed_N), 1);
}

}  // namespace
}  // namespace cloob
