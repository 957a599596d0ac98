// K-means on a device against the CPU in fp64. The environment variable CLOOB_TEST_DEVICE names the device: cuda, or cpu (the
// default).
#include <ATen/ATen.h>

#include <cstdlib>
#include <mutex>
#include <string>

#include "cloob/cluster/agreement.h"
#include "cloob/cluster/kmeans.h"
#include "cloob/device/device.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

c10::Device device_under_test() {
  const char* const name = std::getenv("CLOOB_TEST_DEVICE");
  if (name == nullptr || std::string(name) == "cpu") return at::kCPU;
  return select_device(DeviceChoice::cuda);
}

TEST(DeviceKMeans, HasTheClustersOfTheCpuAndTheSameBitsForAnyNumberOfRanks) {
  constexpr std::int64_t kSamples = 9000, kCenters = 30;
  at::manual_seed(1);
  const at::Tensor centers_KD = at::randn({kCenters, 24}, at::kDouble);
  const at::Tensor labels_N = at::randint(kCenters, {kSamples}, at::kLong);
  const at::Tensor samples_ND =
      centers_KD.index_select(0, labels_N) + 0.05 * at::randn({kSamples, 24}, at::kDouble);
  const KMeansOptions options = {.clusters = kCenters, .restarts = 3};
  const KMeansResult expected = kmeans(samples_ND, options, SingleProcess());
  const at::Tensor on_device_ND = samples_ND.to(device_under_test(), at::kFloat);
  const KMeansResult result = kmeans(on_device_ND, options, SingleProcess());
  EXPECT_EQ(result.centroids_KD.device(), on_device_ND.device());
  // Where two centroids share a cloud, samples between them may go either way.
  EXPECT_GT(adjusted_rand_index(result.labels_N, expected.labels_N), 0.98);
  EXPECT_NEAR(result.objectives.back(), expected.objectives.back(), 1e-3 * expected.objectives.back());
  EXPECT_GT(adjusted_rand_index(result.labels_N, labels_N), 0.7);
  for (const std::int64_t world_size : {1, 2, 3}) {
    std::mutex mutex;
    testing::run_ranks(world_size, [&](const Collectives& collectives) {
      const KMeansResult on_rank = kmeans(on_device_ND, options, collectives);
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(on_rank.centroids_KD.equal(result.centroids_KD));
      EXPECT_TRUE(on_rank.labels_N.equal(result.labels_N));
      EXPECT_EQ(on_rank.objectives, result.objectives);
    });
  }
}

TEST(DeviceKMeans, MeansAreThoseOfTheCpu) {
  at::manual_seed(2);
  const at::Tensor rows_ND = at::randn({5000, 33}), labels_N = at::randint(-1, 40, {5000}, at::kLong);
  const c10::Device device = device_under_test();
  const at::Tensor means_KD = cluster_means(rows_ND.to(device), labels_N.to(device), 41);
  testing::expect_close(means_KD.cpu(), cluster_means(rows_ND, labels_N, 41), 1e-6, 1e-8);
}

}  // namespace
}  // namespace cloob
