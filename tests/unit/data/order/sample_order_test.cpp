#include "cloob/data/order/sample_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "cloob/base/random.h"

namespace cloob {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using Indices = std::vector<std::int64_t>;

std::vector<SourcePart> parts_of(const Indices& sizes) {
  std::vector<SourcePart> parts;
  for (const std::int64_t size : sizes) parts.push_back({.size = size});
  return parts;
}

Indices indices(const SampleOrder& order, std::int64_t epoch) {
  const auto of_epoch = order.of_epoch(epoch);
  Indices result;
  for (std::int64_t place = 0; place < order.size(); ++place) result.push_back(of_epoch->at(place).index);
  return result;
}

Indices sorted(Indices values) {
  std::ranges::sort(values);
  return values;
}

Indices range_of(std::int64_t count) {
  Indices values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 0);
  return values;
}

TEST(SampleOrder, ContainsEverySampleOnceForAnyLayout) {
  RandomStream random(RandomUse::synthetic_data, {1});
  for (int trial = 0; trial < 200; ++trial) {
    Indices sizes(1 + random.below(12));
    for (std::int64_t& size : sizes)
      size = static_cast<std::int64_t>(random.below(random.bernoulli(0.3) ? 2 : 40));
    const std::int64_t total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
    for (const Shuffle shuffle : {Shuffle::windows, Shuffle::full, Shuffle::none}) {
      const auto window = static_cast<std::int64_t>(1 + random.below(14));
      const SampleOrder order(parts_of(sizes), {shuffle, window, false, random.next()});
      ASSERT_EQ(order.size(), total);
      for (const std::int64_t epoch : {0, 7}) ASSERT_EQ(sorted(indices(order, epoch)), range_of(total));
    }
  }
}

TEST(SampleOrder, DependsOnSeedAndEpoch) {
  const auto parts = parts_of(Indices(20, 50));
  for (const Shuffle shuffle : {Shuffle::windows, Shuffle::full}) {
    const SampleOrder order(parts, {shuffle, 4, false, 1}), again(parts, {shuffle, 4, false, 1});
    const SampleOrder other(parts, {shuffle, 4, false, 2});
    EXPECT_EQ(indices(order, 3), indices(again, 3));
    const auto num_equal = [](const Indices& a, const Indices& b) {
      return std::transform_reduce(a.begin(), a.end(), b.begin(), 0, std::plus<>(), std::equal_to<>());
    };
    EXPECT_LT(num_equal(indices(order, 0), indices(order, 1)), 10);
    EXPECT_LT(num_equal(indices(order, 0), indices(other, 0)), 10);
  }
  EXPECT_EQ(indices(SampleOrder(parts, {}), 5), range_of(1000));
}

TEST(SampleOrder, ReadsFewPartsAtATime) {
  constexpr std::int64_t kParts = 20, kSize = 50, kWindow = 4;
  const SampleOrder order(parts_of(Indices(kParts, kSize)), {Shuffle::windows, kWindow, false, 5});
  const Indices all = indices(order, 0);
  std::set<std::int64_t> seen;
  for (std::size_t begin = 0; begin < all.size(); begin += kWindow * kSize) {
    std::set<std::int64_t> parts;
    for (std::size_t i = begin; i < begin + kWindow * kSize; ++i) parts.insert(all[i] / kSize);
    EXPECT_EQ(parts.size(), static_cast<std::size_t>(kWindow));
    EXPECT_GT(*parts.rbegin() - *parts.begin(), kWindow - 1) << "consecutive parts";
    seen.insert(parts.begin(), parts.end());
    // Within a window, nothing of the original order is left.
    const auto rises = std::transform_reduce(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                             all.begin() + static_cast<std::ptrdiff_t>(begin) + 199,
                                             all.begin() + static_cast<std::ptrdiff_t>(begin) + 1, 0,
                                             std::plus<>(), std::less<>());
    EXPECT_NEAR(rises, 100, 4.5 * 4.1);  // standard deviation sqrt((n + 1) / 12)
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kParts));
}

// Runs that were started before orders could be divided continue in the same order.
TEST(SampleOrder, OfOneRankIsThatOfEarlierVersions) {
  const SampleOrder order({{5}, {0}, {4, 2}, {3}, {6}},
                          {.shuffle = Shuffle::windows, .seed = 7, .window_samples = 6});
  EXPECT_THAT(indices(order, 0),
              ElementsAre(8, 6, 5, 7, 10, 9, 11, 7, 6, 12, 8, 5, 14, 16, 15, 13, 17, 0, 4, 1, 2, 3));
  EXPECT_THAT(indices(order, 3),
              ElementsAre(5, 8, 9, 10, 6, 7, 2, 3, 0, 11, 1, 4, 12, 14, 13, 15, 16, 17, 6, 8, 7, 5));
}

// The samples of a rank in the order in which it sees them.
Indices indices_of_rank(const SampleOrder& order, std::int64_t epoch, std::int64_t rank) {
  const auto of_epoch = order.of_epoch(epoch);
  Indices result;
  for (std::int64_t place = rank; place < order.size(); place += order.shares().ranks()) {
    if (order.shares().has_sample(place)) result.push_back(of_epoch->at(place).index);
  }
  return result;
}

TEST(SampleOrder, DividedOverRanksGivesEachPartToOneOfThem) {
  RandomStream random(RandomUse::synthetic_data, {2});
  for (int trial = 0; trial < 200; ++trial) {
    Indices sizes(1 + random.below(12));
    for (std::int64_t& size : sizes) size = static_cast<std::int64_t>(random.below(20));
    const std::int64_t total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
    const auto ranks = static_cast<std::int64_t>(1 + random.below(4));
    const auto window = static_cast<std::int64_t>(1 + random.below(30));
    const SampleOrder order(parts_of(sizes),
                            {.shuffle = random.bernoulli(0.7) ? Shuffle::windows : Shuffle::none,
                             .seed = random.next(),
                             .window_samples = window,
                             .ranks = ranks});
    EXPECT_EQ(order.num_samples(), total);
    Indices part_of;
    for (std::size_t part = 0; part < sizes.size(); ++part)
      part_of.insert(part_of.end(), static_cast<std::size_t>(sizes[part]), static_cast<std::int64_t>(part));
    for (const std::int64_t epoch : {0, 7}) {
      Indices all;
      std::map<std::int64_t, std::int64_t> rank_of_part;
      for (std::int64_t rank = 0; rank < ranks; ++rank) {
        const Indices own = indices_of_rank(order, epoch, rank);
        ASSERT_EQ(std::ssize(own), order.shares().size_of(rank));
        all.insert(all.end(), own.begin(), own.end());
        for (const std::int64_t index : own)
          ASSERT_EQ(rank_of_part.emplace(part_of[static_cast<std::size_t>(index)], rank).first->second, rank);
      }
      ASSERT_EQ(sorted(all), range_of(total));
    }
  }
}

TEST(SampleOrder, DividedOverRanksShufflesTheirPartsAndWindows) {
  constexpr std::int64_t kParts = 12, kSize = 10, kWindow = 20, kRanks = 3;
  const SampleOrder order(
      parts_of(Indices(kParts, kSize)),
      {.shuffle = Shuffle::windows, .seed = 5, .window_samples = kWindow, .ranks = kRanks});
  EXPECT_EQ(order.size(), kParts * kSize) << "no empty places";
  std::set<std::set<std::int64_t>> parts_of_rank_0;
  for (const std::int64_t epoch : {0, 1, 2}) {
    const Indices own = indices_of_rank(order, epoch, 0);
    std::set<std::int64_t> all_parts;
    for (std::size_t begin = 0; begin < own.size(); begin += kWindow) {
      const Indices window(own.begin() + static_cast<std::ptrdiff_t>(begin),
                           own.begin() + static_cast<std::ptrdiff_t>(std::min(own.size(), begin + kWindow)));
      EXPECT_FALSE(std::ranges::is_sorted(window));
      std::set<std::int64_t> parts;
      for (const std::int64_t index : window) parts.insert(index / kSize);
      EXPECT_EQ(parts.size(), 2u) << "a window of 20 has the samples of two parts";
      all_parts.merge(parts);
    }
    EXPECT_EQ(all_parts.size(), static_cast<std::size_t>(kParts / kRanks));
    parts_of_rank_0.insert(all_parts);
  }
  EXPECT_EQ(parts_of_rank_0.size(), 3u) << "a rank has other parts in every epoch";
}

TEST(SampleOrder, RepeatsAndSubsamplesByWeight) {
  const SampleOrder order({{10, 2.5}, {1000, 1}, {40, 0}, {7, 0.25}, {9, 0.25}},
                          {Shuffle::windows, 2, false, 1});
  EXPECT_EQ(order.size(), 25 + 1000 + 4);
  std::set<Indices> subsets;
  for (const std::int64_t epoch : {0, 1, 2, 3}) {
    std::map<std::int64_t, std::int64_t> counts;
    std::set<std::pair<std::int64_t, std::int64_t>> appearances;
    const auto of_epoch = order.of_epoch(epoch);
    for (std::int64_t place = 0; place < order.size(); ++place) {
      const OrderedSample sample = of_epoch->at(place);
      ++counts[sample.index];
      EXPECT_TRUE(appearances.emplace(sample.index, sample.copy).second) << "copies are distinguishable";
    }
    Indices thrice;
    for (std::int64_t index = 0; index < 10; ++index) {
      if (counts[index] == 3) thrice.push_back(index);
      EXPECT_THAT(counts[index], ::testing::AnyOf(2, 3));
    }
    EXPECT_EQ(thrice.size(), 5u);
    subsets.insert(thrice);
    for (std::int64_t index = 10; index < 1010; ++index) ASSERT_EQ(counts[index], 1);
    for (std::int64_t index = 1010; index < 1050; ++index) ASSERT_EQ(counts[index], 0);
    for (std::int64_t index = 1050; index < 1066; ++index) ASSERT_LE(counts[index], 1);
  }
  EXPECT_GT(subsets.size(), 1u);
}

TEST(SampleOrder, DrawsInProportionToTheWeightsWithReplacement) {
  const SampleOrder order({{10, 3}, {1000, 0}, {20, 1}, {0, 5}}, {Shuffle::full, 1, true, 1});
  EXPECT_EQ(order.size(), 50);
  std::map<std::int64_t, double> counts;
  constexpr std::int64_t kEpochs = 400;
  for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    for (const std::int64_t index : indices(order, epoch)) ++counts[index];
  }
  for (std::int64_t index = 0; index < 10; ++index) EXPECT_NEAR(counts[index] / kEpochs, 3, 0.4);
  for (std::int64_t index = 1010; index < 1030; ++index) EXPECT_NEAR(counts[index] / kEpochs, 1, 0.25);
  EXPECT_EQ(counts.size(), 30u);
  EXPECT_NE(sorted(indices(order, 0)), sorted(indices(order, 1)));
}

TEST(SampleOrder, LimitedTakesSamplesThatAreSpreadEvenly) {
  const auto indices = [](std::int64_t size, std::int64_t max_samples) {
    const SampleOrder order({{.size = size / 2}, {.size = size - size / 2}}, {.max_samples = max_samples});
    std::vector<std::int64_t> all;
    for (std::int64_t place = 0; place < order.size(); ++place)
      all.push_back(order.of_epoch(3)->at(place).index);
    return all;
  };
  EXPECT_THAT(indices(10, 4), ::testing::ElementsAre(0, 2, 5, 7));
  EXPECT_THAT(indices(10, 10), ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_EQ(indices(10, 11).size(), 10U);
  EXPECT_THAT(indices(7, 1), ::testing::ElementsAre(0));
  // No product overflows.
  const SampleOrder large({{.size = std::int64_t{1} << 40}}, {.max_samples = std::int64_t{1} << 20});
  EXPECT_EQ(large.of_epoch(0)->at((std::int64_t{1} << 20) - 1).index, ((std::int64_t{1} << 20) - 1) << 20);
}

TEST(SampleOrder, SlicesAreConsecutivePlaces) {
  const SampleOrder evenly({{.size = 30}}, {.max_samples = 7}),
      shuffled(parts_of({5, 9, 3}), {.shuffle = Shuffle::windows, .window_parts = 2, .seed = 3});
  for (const SampleOrder& order : {evenly, shuffled}) {
    const Indices all = indices(order, 1);
    Indices joined;
    for (std::int64_t first = 0; first < order.size(); first += 3) {
      const SampleOrder slice = order.slice(first, std::min<std::int64_t>(3, order.size() - first));
      const Indices part = indices(slice, 1);
      joined.insert(joined.end(), part.begin(), part.end());
    }
    EXPECT_EQ(joined, all);
    EXPECT_EQ(order.slice(2, 0).size(), 0);
    EXPECT_THAT(indices(order.slice(1, 5).slice(2, 2), 1), ElementsAre(all[3], all[4]));
  }
}

TEST(SampleOrder, EpisodesFollowEachOtherThroughThePasses) {
  const SampleOrder passes(parts_of({7, 9, 4}), {.shuffle = Shuffle::windows, .window_parts = 2, .seed = 5});
  Indices all;
  for (std::int64_t epoch = 0; epoch < 6; ++epoch) {
    for (const std::int64_t index : indices(passes, epoch)) all.push_back(index);
  }
  for (const std::int64_t samples : {6, 20, 50}) {
    const SampleOrder episodes = passes.episodes(samples);
    EXPECT_EQ(episodes.size(), samples);
    EXPECT_EQ(episodes.num_samples(), samples);
    EXPECT_DOUBLE_EQ(episodes.passes_per_epoch(), static_cast<double>(samples) / 20);
    Indices joined;
    for (std::int64_t episode = 0; (episode + 1) * samples <= std::ssize(all); ++episode) {
      for (const std::int64_t index : indices(episodes, episode)) joined.push_back(index);
    }
    EXPECT_EQ(episodes.shares().num_places(), samples) << "a loader reads the places of the ranks' shares";
    EXPECT_EQ(joined, Indices(all.begin(), all.begin() + std::ssize(joined))) << "episodes of " << samples;
  }
  EXPECT_EQ(passes.passes_per_epoch(), 1);
}

TEST(SampleOrder, TellsTheAppearancesOfASampleInAnEpisodeApart) {
  const SampleOrder episodes = SampleOrder(parts_of({5}), {.shuffle = Shuffle::full, .seed = 1}).episodes(15);
  const auto episode = episodes.of_epoch(2);
  std::set<std::pair<std::int64_t, std::int64_t>> appearances;
  for (std::int64_t place = 0; place < 15; ++place)
    appearances.emplace(episode->at(place).index, episode->at(place).copy);
  EXPECT_EQ(appearances.size(), 15u);
}

TEST(SampleOrder, DrawsEveryEpisodeAnewWithReplacement) {
  const SampleOrder passes(parts_of({1000}), {.shuffle = Shuffle::full, .with_replacement = true, .seed = 3});
  const SampleOrder episodes = passes.episodes(400);
  const Indices first = indices(episodes, 0);
  const std::set<std::int64_t> distinct(first.begin(), first.end());
  EXPECT_NE(first, indices(episodes, 1));
  EXPECT_EQ(first, indices(episodes, 0));
  // 1000 (1 - (1 - 1/1000)^400) = 329.8 are expected, with a standard deviation of 6.7.
  EXPECT_NEAR(static_cast<double>(distinct.size()), 329.8, 35);
}

}  // namespace
}  // namespace cloob
