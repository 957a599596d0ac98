#include "cloob/cluster/kmeans.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <set>
#include <stdexcept>

#include "cloob/base/error.h"
#include "cluster/cluster_sums.h"
#include "cluster/faiss_rules.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

at::Tensor random_samples(std::int64_t count, std::int64_t dims, at::ScalarType type = at::kFloat) {
  at::manual_seed(static_cast<std::uint64_t>(count + dims));
  return at::randn({count, dims}, at::kDouble).to(type);
}

std::vector<KMeansResult> kmeans_on_ranks(std::int64_t world_size, const at::Tensor& samples_ND,
                                          const KMeansOptions& options) {
  std::vector<KMeansResult> results(static_cast<std::size_t>(world_size));
  testing::run_ranks(world_size, [&](const Collectives& collectives) {
    results[static_cast<std::size_t>(collectives.rank())] = kmeans(samples_ND, options, collectives);
  });
  return results;
}

void expect_same_bits(const KMeansResult& result, const KMeansResult& expected) {
  EXPECT_TRUE(result.centroids_KD.equal(expected.centroids_KD));
  EXPECT_TRUE(result.labels_N.equal(expected.labels_N));
  EXPECT_EQ(result.objectives, expected.objectives);
}

TEST(KMeans, HasTheSameBitsForAnyNumberOfRanksAndThreads) {
  // Three blocks, the last of which is not whole: so that of four ranks one has nothing to do.
  const at::Tensor samples_ND = random_samples(3 * 4096 - 100, 8);
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const bool is_spherical : {false, true}) {
      const KMeansOptions options = {
          .clusters = 60, .iterations = 8, .restarts = 2, .spherical = is_spherical};
      const at::Tensor typed_ND = samples_ND.to(type);
      const KMeansResult alone = kmeans(typed_ND, options, SingleProcess());
      EXPECT_EQ(alone.centroids_KD.scalar_type(), type);
      for (const std::int64_t world_size : {2, 3, 4}) {
        for (const KMeansResult& result : kmeans_on_ranks(world_size, typed_ND, options))
          expect_same_bits(result, alone);
      }
      const int threads = at::get_num_threads();
      at::set_num_threads(threads == 1 ? 2 : 1);
      expect_same_bits(kmeans(typed_ND, options, SingleProcess()), alone);
      at::set_num_threads(threads);
    }
  }
}

TEST(KMeans, TheObjectiveIsTheSumOfSquaredDistancesAndFalls) {
  const at::Tensor samples_ND = random_samples(500, 3, at::kDouble);
  const KMeansResult result = kmeans(samples_ND, {.clusters = 12, .iterations = 200}, SingleProcess());
  for (std::size_t i = 1; i < result.objectives.size(); ++i)
    EXPECT_LE(result.objectives[i], result.objectives[i - 1] * (1 + 1e-12));
  // It has converged: the labels are those before the last update, and centroids the means of their samples.
  ASSERT_LT(result.objectives.size(), 200u);
  const at::Tensor own_ND = result.centroids_KD.index_select(0, result.labels_N);
  EXPECT_NEAR((samples_ND - own_ND).square().sum().item<double>(), result.objectives.back(), 1e-9);
  testing::expect_close(cluster_means(samples_ND, result.labels_N, 12), result.centroids_KD, 1e-12, 1e-12);
  EXPECT_TRUE(at::cdist(samples_ND, result.centroids_KD).argmin(1).equal(result.labels_N));
}

TEST(KMeans, KeepsTheBestOfItsRestarts) {
  const at::Tensor samples_ND = random_samples(400, 2);
  std::vector<double> ends;
  for (std::uint64_t restart = 0; restart < 5; ++restart) {
    const KMeansOptions one = {.clusters = 15, .seed = 1234 + restart * 15486557};
    ends.push_back(kmeans(samples_ND, one, SingleProcess()).objectives.back());
  }
  EXPECT_NE(std::ranges::min(ends), ends.front()) << "a seed that tells nothing";
  const KMeansResult best = kmeans(samples_ND, {.clusters = 15, .restarts = 5}, SingleProcess());
  EXPECT_EQ(best.objectives.back(), std::ranges::min(ends));
}

TEST(KMeans, SphericalCentroidsHaveLengthOne) {
  const at::Tensor samples_ND = random_samples(300, 5, at::kDouble) * 7;
  const KMeansResult result =
      kmeans(samples_ND, {.clusters = 9, .iterations = 100, .spherical = true}, SingleProcess());
  testing::expect_close(result.centroids_KD.norm(2, 1), at::ones({9}, at::kDouble), 1e-12, 0);
  EXPECT_TRUE(at::mm(samples_ND, result.centroids_KD.t()).argmax(1).equal(result.labels_N));
  const at::Tensor own_ND = result.centroids_KD.index_select(0, result.labels_N);
  EXPECT_NEAR((samples_ND - own_ND).square().sum().item<double>(), result.objectives.back(), 1e-8);
}

TEST(KMeans, RepairsEmptyClusters) {
  // Most samples are equal, and so are most of the first centroids: only the first of them gets samples.
  constexpr std::int64_t kClusters = 20, kEqual = 300;
  const at::Tensor samples_ND = at::cat({at::ones({kEqual, 4}), random_samples(200, 4)});
  std::set<std::int64_t> different;
  for (const std::int64_t sample : start_of_permutation(500, kClusters, 1234 + 1))
    different.insert(std::max(sample, kEqual - 1));
  ASSERT_LT(std::ssize(different), kClusters - 5);
  const KMeansResult result = kmeans(samples_ND, {.clusters = kClusters}, SingleProcess());
  const std::vector<std::int64_t> sizes = cluster_sizes(result.labels_N, kClusters);
  EXPECT_GE(std::ranges::count_if(sizes, [](std::int64_t size) { return size > 0; }), kClusters - 1);
}

TEST(KMeans, SplitsTheClusterThatItDraws) {
  const at::Tensor centroids_KD = at::tensor({1., 1., 1., 8., 8., 8., 4., 4., 4.}, at::kDouble).view({3, 3});
  // All spare samples are those of the second cluster: it is drawn with certainty.
  EXPECT_EQ(split_for_empty(centroids_KD, {1, 9, 0}, 10), 1);
  const double low = 8 * (1 - 1.0 / 1024), high = 8 * (1 + 1.0 / 1024);
  const at::Tensor expected_KD =
      at::tensor({1., 1., 1., low, high, low, high, low, high}, at::kDouble).view({3, 3});
  EXPECT_TRUE(centroids_KD.equal(expected_KD));
  EXPECT_EQ(split_for_empty(centroids_KD, {5, 4, 1}, 10), 0);
  EXPECT_TRUE(centroids_KD.equal(expected_KD));
}

TEST(KMeans, AsManyClustersAsSamplesAreTheSamples) {
  const at::Tensor samples_ND = random_samples(20, 3);
  const KMeansResult result = kmeans(samples_ND, {.clusters = 20}, SingleProcess());
  EXPECT_TRUE(result.centroids_KD.equal(samples_ND));
  EXPECT_TRUE(result.labels_N.equal(at::arange(20)));
  EXPECT_NEAR(result.objectives.back(), 0, 1e-4);
}

TEST(KMeans, NeedsASampleForEachClusterAndFiniteNumbers) {
  const at::Tensor samples_ND = random_samples(20, 3);
  testing::expect_user_error([&] { kmeans(samples_ND, {.clusters = 21}, SingleProcess()); },
                             {"20 samples into 21 clusters", "fewer clusters"});
  samples_ND[7][1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(kmeans(samples_ND, {.clusters = 4}, SingleProcess()), InternalError);
}

TEST(KMeans, SamplesOfHalfPrecisionBecomeFp32) {
  const at::Tensor samples_ND = random_samples(100, 3).to(at::kBFloat16);
  const KMeansResult result = kmeans(samples_ND, {.clusters = 4}, SingleProcess());
  EXPECT_EQ(result.centroids_KD.scalar_type(), at::kFloat);
  expect_same_bits(result, kmeans(samples_ND.to(at::kFloat), {.clusters = 4}, SingleProcess()));
}

TEST(KMeans, CanBeStoppedBetweenIterations) {
  const at::Tensor samples_ND = random_samples(5000, 4);
  struct Stop : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  std::mutex mutex;
  std::vector<int> calls(2, 0);
  EXPECT_THROW(testing::run_ranks(2,
                                  [&](const Collectives& collectives) {
                                    KMeansOptions options = {.clusters = 50};
                                    options.between_iterations = [&] {
                                      const std::lock_guard lock(mutex);
                                      if (++calls[static_cast<std::size_t>(collectives.rank())] == 4)
                                        throw Stop("stop");
                                    };
                                    kmeans(samples_ND, options, collectives);
                                  }),
               Stop);
  EXPECT_EQ(calls, std::vector<int>(2, 4));
}

TEST(ClusterMeans, AreMeansAndZeroForEmptyClusters) {
  const at::Tensor features_ND = random_samples(200, 5);
  const at::Tensor labels_N = at::arange(200).remainder(4) - 1;  // -1, 0, 1, 2
  const at::Tensor means_KD = cluster_means(features_ND, labels_N, 5);
  for (std::int64_t cluster = 0; cluster < 3; ++cluster) {
    const at::Tensor mean_D = features_ND.index({labels_N == cluster}).to(at::kDouble).mean(0);
    testing::expect_close(means_KD[cluster].to(at::kDouble), mean_D, 1e-7, 1e-8);
  }
  EXPECT_TRUE(means_KD.narrow(0, 3, 2).equal(at::zeros({2, 5})));
  EXPECT_THROW(cluster_means(features_ND, labels_N, 2), InternalError);
}

// What a GPU does, where rows are added in any order.
TEST(ClusterMeans, SumsByCountingDoNotDependOnTheOrder) {
  const at::Tensor rows_ND = random_samples(300, 4) * at::logspace(-3, 3, 300).unsqueeze(1).to(at::kFloat);
  const at::Tensor labels_N = at::arange(300).remainder(7) - 1;
  const at::Tensor sums_KD = sums_by_counting(rows_ND, labels_N, 6);
  testing::expect_close(sums_KD, sums_in_order(rows_ND, labels_N, 6), 1e-12, 1e-12);
  EXPECT_TRUE(sums_by_counting(rows_ND.flip(0), labels_N.flip(0), 6).equal(sums_KD));
}

}  // namespace
}  // namespace cloob
