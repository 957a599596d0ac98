#include "train/rank_times.h"

#include <gmock/gmock.h>

#include <map>

namespace cloob {
namespace {

using ::testing::HasSubstr;
using Seconds = std::vector<double>;

std::map<std::string, double> by_name(const NamedNumbers& numbers) {
  return {numbers.begin(), numbers.end()};
}

TEST(RankTimes, CommunicationIsWhatEvenTheSlowestRankWaits) {
  RankTimes times;
  EXPECT_TRUE(times.empty());
  times.add(1.0, Seconds{0.8, 0.5});  // rank 1 waits for rank 0 for 0.3 s: that is not communication
  times.add(3.0, Seconds{1.0, 2.2});
  const auto metrics = by_name(times.metrics());
  EXPECT_DOUBLE_EQ(times.communication_share(), 1 - (0.8 + 2.2) / 4);
  EXPECT_DOUBLE_EQ(metrics.at("ranks/communication_share"), times.communication_share());
  EXPECT_DOUBLE_EQ(metrics.at("ranks/step_time/0"), 0.9);
  EXPECT_DOUBLE_EQ(metrics.at("ranks/step_time/1"), 1.35);
  EXPECT_DOUBLE_EQ(metrics.at("ranks/step_time_min"), 0.9);
  EXPECT_DOUBLE_EQ(metrics.at("ranks/step_time_max"), 1.35);
  EXPECT_EQ(metrics.at("ranks/slowest"), 1);
  times.clear();
  EXPECT_TRUE(times.empty());
}

TEST(RankTimes, OfOneProcessAreNone) {
  RankTimes times;
  times.add(1.0, Seconds{0.8});
  EXPECT_TRUE(times.empty());
}

TEST(RankTimes, OfVeryManyRanksAreSummarized) {
  RankTimes times;
  times.add(1.0, Seconds(65, 0.5));
  EXPECT_FALSE(by_name(times.metrics()).contains("ranks/step_time/0"));
}

TEST(RankTimes, NameAStragglerOnceUntilItHasRecovered) {
  RankTimes times;
  const auto after = [&](int steps, const Seconds& seconds) {
    times.clear();
    for (int step = 0; step < steps; ++step) times.add(2.0, seconds);
    return times.new_straggler();
  };
  EXPECT_FALSE(after(4, {0.5, 0.5, 2}));
  const auto sentence = after(5, {0.5, 0.5, 2});
  ASSERT_TRUE(sentence);
  EXPECT_THAT(*sentence, HasSubstr("rank 2 is slow: it needs 2.00 s for a step and the others 0.50 s"));
  EXPECT_FALSE(after(5, {0.5, 0.5, 2}));
  EXPECT_FALSE(after(5, {0.5, 0.5, 0.6}));
  EXPECT_TRUE(after(5, {0.5, 0.5, 2}));
  EXPECT_THAT(after(5, {1.9, 1.0}).value_or(""), HasSubstr("rank 0 is slow"));
}

}  // namespace
}  // namespace cloob
