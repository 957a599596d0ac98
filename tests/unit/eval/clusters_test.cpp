#include "cloob/eval/clusters.h"

#include <ATen/ATen.h>

#include <map>
#include <mutex>

#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

// Parts of 20 rows about centers that are `distance` apart.
std::vector<LabeledPart> clouds(std::int64_t num_parts, double distance) {
  at::manual_seed(4);
  std::vector<LabeledPart> parts;
  for (std::int64_t part = 0; part < num_parts; ++part) {
    const at::Tensor labels_B = at::randint(3, {20}, at::kLong);
    const at::Tensor centers_KD = at::eye(3, 5) * distance;
    LabeledPart& added = parts.emplace_back();
    added.features_BD = centers_KD.index_select(0, labels_B) + at::randn({20, 5});
    added.labels.assign(labels_B.const_data_ptr<std::int64_t>(),
                        labels_B.const_data_ptr<std::int64_t>() + 20);
  }
  return parts;
}

TEST(Clusters, AgreeWithClassesThatAreApart) {
  const ClusterMetrics apart = measure_clusters(clouds(8, 40), {.clusters = 3}, SingleProcess());
  EXPECT_EQ(apart.ari, 1);
  EXPECT_NEAR(apart.ami, 1, 1e-12);
  EXPECT_EQ(apart.num_samples, 160);
  const ClusterMetrics mixed = measure_clusters(clouds(8, 0), {.clusters = 3}, SingleProcess());
  EXPECT_NEAR(mixed.ari, 0, 0.1);
  EXPECT_NEAR(mixed.ami, 0, 0.1);
  const NamedNumbers named = named_numbers(apart);
  const std::map<std::string, double> numbers(named.begin(), named.end());
  EXPECT_EQ(numbers.at("clusters_ari"), 1);
  EXPECT_EQ(numbers.at("num_clusters"), 3);
}

TEST(Clusters, RanksGetTheNumbersOfOneProcess) {
  const std::vector<LabeledPart> all = clouds(5, 3);
  const ClusterMetrics alone = measure_clusters(all, {.clusters = 4}, SingleProcess());
  for (const std::int64_t world_size : {2, 7}) {
    testing::run_ranks(world_size, [&](const Collectives& collectives) {
      const std::int64_t first = 5 * collectives.rank() / world_size,
                         end = 5 * (collectives.rank() + 1) / world_size;
      const std::vector<LabeledPart> own(all.begin() + first, all.begin() + end);
      const ClusterMetrics metrics = measure_clusters(own, {.clusters = 4}, collectives);
      EXPECT_EQ(metrics.ari, alone.ari);
      EXPECT_EQ(metrics.ami, alone.ami);
      EXPECT_EQ(metrics.num_samples, alone.num_samples);
    });
  }
}

TEST(Clusters, AStopOnOneRankStopsAll) {
  const std::vector<LabeledPart> all = clouds(5, 3);
  EXPECT_THROW(testing::run_ranks(2,
                                  [&](const Collectives& collectives) {
                                    const ClusterOptions options = {.clusters = 4, .stop_requested = [&] {
                                                                      return collectives.rank() == 1;
                                                                    }};
                                    measure_clusters(all, options, collectives);
                                  }),
               EvaluationStopped);
}

TEST(Clusters, NeedClassesAndEnoughImages) {
  EXPECT_EQ(num_clusters_of(std::nullopt, 10, 50, "data"), 10);
  EXPECT_EQ(num_clusters_of(20, 10, 50, "data"), 20);
  testing::expect_user_error([] { num_clusters_of(std::nullopt, 1, 50, "data"); },
                             {"'data' has a single class"});
  testing::expect_user_error([] { num_clusters_of(51, 10, 50, "data"); },
                             {"51 clusters of 50 images of 'data'"});
}

TEST(EvalConfig, RejectsClustersWithoutDataOrWithATakenName) {
  EvalConfig config;
  config.clusters["shape"] = {};
  testing::expect_user_error([&] { config.validate(); }, {"eval.clusters.shape.data is not set"});
  config.clusters["shape"].data = "data";
  config.validate();
  config.zero_shot = {"shape=a"};
  testing::expect_user_error([&] { config.validate(); }, {"two evaluations are named 'shape'"});
}

}  // namespace
}  // namespace cloob
