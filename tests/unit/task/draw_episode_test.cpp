#include "task/draw_episode.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "support/support.h"

namespace cloob {
namespace {

// Images at x = 1 and texts at x = -1, of which the samples spread along y, and less along z.
struct Episode {
  Episode(std::int64_t samples, std::int64_t clusters, at::ScalarType type) {
    const at::Tensor place_n = at::arange(samples, at::kDouble).div(static_cast<double>(samples)).sub(0.5);
    const auto modality = [&](double x) {
      return at::stack({place_n.mul(0.01), at::full_like(place_n, x), place_n}, 1).to(type);
    };
    features = {.places_n = at::arange(samples, at::kLong).mul(2).add(1),  // every other place is unusable
                .image_nD = modality(1),
                .text_nD = modality(-1),
                .teacher_nX = {}};
    const auto targets = [&](std::int64_t shift) {
      PrototypeTargets made{.labels_E = at::full({2 * samples + 1}, -1, at::kLong),
                            .prototypes_KD = at::zeros({clusters, 3}, type),
                            .expected_KD = {}};
      // Cluster 0 has half of the samples.
      const at::Tensor label_n = at::arange(samples, at::kLong).add(shift).remainder(2 * clusters - 2);
      made.labels_E.index_copy_(0, features.places_n, label_n.mul(label_n.lt(clusters)));
      return made;
    };
    prototypes.image = targets(0);
    prototypes.text = targets(1);
  }
  EpisodeFeatures features;
  EpisodePrototypes prototypes;
};

TEST(DrawEpisode, ShowsTheGapAndTheSpread) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const Episode episode(100, 6, type);
    const EpisodePicture picture = draw_episode(episode.features, episode.prototypes).value();
    ASSERT_EQ(picture.images.x.size(), 100U);
    EXPECT_EQ(picture.num_even, 100);
    EXPECT_EQ(picture.num_clusters, 6);
    for (std::size_t i = 0; i < 100; ++i) {
      EXPECT_NEAR(picture.images.x[i], -1, 1e-6);
      EXPECT_NEAR(picture.texts.x[i], 1, 1e-6);
      const double spread = (static_cast<double>(i) / 100 - 0.495) * std::hypot(1, 0.01);
      EXPECT_NEAR(picture.images.y[i], spread, 1e-6);
      EXPECT_NEAR(picture.texts.y[i], spread, 1e-6);
    }
    EXPECT_NEAR(picture.variance, 1, 1e-6);
    // 10 labels in turn, of which those from 6 on are cluster 0.
    EXPECT_EQ(picture.texts.clusters[3], 3);
    EXPECT_EQ(picture.images.clusters[3], 4);
    EXPECT_EQ(picture.texts.clusters[8], 0);
    ASSERT_EQ(picture.largest.size(), 6U);
    EXPECT_EQ(picture.largest[0].cluster, 0);
    EXPECT_EQ(picture.largest[0].num_samples, 50);
    EXPECT_EQ(picture.largest[1].num_samples, 10);
  }
}

TEST(DrawEpisode, IsBoundedAndShowsMembersOfTheLargestClusters) {
  const Episode episode(60000, 4000, at::kFloat);
  const EpisodePicture picture = draw_episode(episode.features, episode.prototypes).value();
  EXPECT_EQ(picture.num_samples, 60000);
  EXPECT_EQ(picture.num_even, 1500);
  EXPECT_LE(picture.images.x.size(), 2000U);
  EXPECT_EQ(picture.largest.size(), 10U);
  for (const EpisodeCluster& cluster : picture.largest) {
    const auto shown = std::ranges::count(picture.texts.clusters, cluster.cluster);
    EXPECT_GE(shown, std::min<std::int64_t>(cluster.num_samples, 50)) << cluster.cluster;
  }
  const std::set<double> places(picture.images.y.begin(), picture.images.y.end());
  EXPECT_EQ(places.size(), picture.images.y.size()) << "no sample is shown twice";
}

TEST(DrawEpisode, NeedsTwoComponents) {
  Episode episode(10, 3, at::kFloat);
  for (at::Tensor* features : {&episode.features.image_nD, &episode.features.text_nD})
    *features = features->narrow(1, 0, 1);
  EXPECT_FALSE(draw_episode(episode.features, episode.prototypes));
  Episode collapsed(10, 3, at::kDouble);
  collapsed.features.image_nD.fill_(0.5);
  collapsed.features.text_nD.fill_(0.5);
  EXPECT_EQ(draw_episode(collapsed.features, collapsed.prototypes)->variance, 0);
}

}  // namespace
}  // namespace cloob
