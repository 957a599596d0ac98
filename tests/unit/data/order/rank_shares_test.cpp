#include "cloob/data/order/rank_shares.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "cloob/base/random.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using Sizes = std::vector<std::int64_t>;

Sizes loads(const RankShares& shares) {
  Sizes sizes;
  for (std::int64_t rank = 0; rank < shares.ranks(); ++rank) sizes.push_back(shares.size_of(rank));
  return sizes;
}

Sizes draw_sizes(RandomStream& random) {
  Sizes sizes(1 + random.below(30));
  for (std::int64_t& size : sizes) size = static_cast<std::int64_t>(random.below(50));
  return sizes;
}

TEST(RankShares, DealsEqualPartsInTurn) {
  EXPECT_THAT(assign_parts({5, 5, 5, 5, 5}, 2), ElementsAre(0, 1, 0, 1, 0));
  EXPECT_THAT(loads({{5, 5, 5, 5, 5}, 2}), ElementsAre(15, 10));
}

TEST(RankShares, GivesTheLargestPartToTheRankWithTheLeast) {
  EXPECT_THAT(assign_parts({1, 9, 0, 4, 6}, 2), ElementsAre(0, 0, 0, 1, 1));
  EXPECT_THAT(loads({{1, 9, 0, 4, 6}, 2}), ElementsAre(10, 10));
  EXPECT_THAT(loads({{4}, 3}), ElementsAre(4, 0, 0));
}

TEST(RankShares, AreBalancedAndDoNotDependOnTheOrderOfTheParts) {
  RandomStream random(RandomUse::synthetic_data, {11});
  for (int trial = 0; trial < 200; ++trial) {
    Sizes sizes = draw_sizes(random);
    const auto ranks = static_cast<std::int64_t>(1 + random.below(6));
    const RankShares shares(sizes, ranks);
    EXPECT_EQ(shares.num_samples(), std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}));
    const std::int64_t most = std::ranges::max(loads(shares));
    EXPECT_LE(most - shares.smallest(), std::ranges::max(sizes));
    EXPECT_EQ(shares.num_places(), ranks * most);
    for (std::size_t i = sizes.size(); i > 1; --i) std::swap(sizes[i - 1], sizes[random.below(i)]);
    EXPECT_EQ(loads({sizes, ranks}), loads(shares));
  }
}

TEST(RankShares, CountTheSamplesBeforeAPlace) {
  RandomStream random(RandomUse::synthetic_data, {12});
  for (int trial = 0; trial < 50; ++trial) {
    const RankShares shares(draw_sizes(random), static_cast<std::int64_t>(1 + random.below(6)));
    std::int64_t samples = 0;
    for (std::int64_t place = 0; place < shares.num_places(); ++place) {
      ASSERT_EQ(shares.samples_before(place), samples);
      const std::int64_t after = shares.place_after(samples);
      ASSERT_GE(after, place);
      ASSERT_EQ(shares.samples_before(after), samples);
      samples += shares.has_sample(place) ? 1 : 0;
    }
    EXPECT_EQ(shares.samples_before(shares.num_places()), shares.num_samples());
    EXPECT_EQ(shares.place_after(shares.num_samples()), shares.num_places());
  }
}

TEST(RankShares, OfOneRankHaveNoEmptyPlaces) {
  const RankShares shares({3, 0, 4}, 1);
  EXPECT_EQ(shares.num_places(), 7);
  for (std::int64_t place = 0; place < 7; ++place) EXPECT_TRUE(shares.has_sample(place));
}

}  // namespace
}  // namespace cloob
