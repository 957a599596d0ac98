#include "prepare/repeated_hashes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "cloob/base/random.h"

namespace cloob {
namespace {

TEST(RepeatedHashes, AreThoseThatOccurMoreThanOnce) {
  const RepeatedHashes repeated = find_repeated({7, 5, 9, 5, 0, 0, 0, 7, 5, 8}, 10);
  EXPECT_EQ(repeated.num_repeats, 3);
  ASSERT_EQ(repeated.most_frequent.size(), 2u);
  EXPECT_EQ(repeated.most_frequent[0].hash, 5u);
  EXPECT_EQ(repeated.most_frequent[0].count, 3);
  EXPECT_EQ(repeated.most_frequent[1].hash, 7u);
  EXPECT_EQ(repeated.most_frequent[1].count, 2);
  EXPECT_TRUE(find_repeated({}, 10).most_frequent.empty());
  EXPECT_EQ(find_repeated({0, 0, 1, 2}, 10).num_repeats, 0);
}

TEST(RepeatedHashes, KeepsTheMostFrequentOnes) {
  RandomStream random(RandomUse::synthetic_data, {3});
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<std::uint64_t> hashes;
    std::map<std::uint64_t, std::int64_t> counts;
    for (int i = 0; i < 500; ++i) {
      // Products of two draws: some values are far more frequent than others.
      hashes.push_back(1 + random.below(20) * random.below(20));
      ++counts[hashes.back()];
    }
    std::vector<std::int64_t> expected;
    for (const auto& [hash, count] : counts) expected.push_back(count);
    std::ranges::sort(expected, std::greater());
    const RepeatedHashes repeated = find_repeated(hashes, 5);
    ASSERT_EQ(repeated.most_frequent.size(), 5u);
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(repeated.most_frequent[i].count, expected[i]);
      EXPECT_EQ(repeated.most_frequent[i].count, counts[repeated.most_frequent[i].hash]);
    }
    EXPECT_EQ(repeated.num_repeats, 500 - static_cast<std::int64_t>(counts.size()));
  }
}

}  // namespace
}  // namespace cloob
