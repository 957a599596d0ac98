// Expected intervals: the quantiles of binomial distributions, and of scipy.stats.bootstrap with 100,000 draws.
#include "cloob/eval/bootstrap.h"

#include <cmath>
#include <set>
#include <vector>

#include "support/support.h"

namespace cloob {
namespace {

SampleRatios mean_of(std::int64_t num_ones, std::int64_t num_samples) {
  SampleRatios ratios;
  for (std::int64_t i = 0; i < num_samples; ++i) ratios.numerators.push_back(i < num_ones ? 1.0F : 0.0F);
  return ratios;
}

Interval interval_of(const SampleRatios& ratios, const BootstrapOptions& options) {
  return bootstrap_intervals(std::span(&ratios, 1), options).at(0);
}

void expect_near(const Interval& actual, const Interval& expected, double tolerance) {
  EXPECT_NEAR(actual.low, expected.low, tolerance);
  EXPECT_NEAR(actual.high, expected.high, tolerance);
}

// The mean of resampled zeros and ones is a binomial number divided by their number: scipy.stats.binom.ppf.
TEST(Bootstrap, OfAFractionHasTheBinomialQuantiles) {
  const BootstrapOptions many = {.draws = 20'000};
  expect_near(interval_of(mean_of(300, 1000), many), {0.272, 0.329}, 0.002);
  expect_near(interval_of(mean_of(45, 50), many), {0.82, 0.98}, 0.021);
  const Interval wide = interval_of(mean_of(300, 1000), {.draws = 20'000, .confidence = 0.99});
  expect_near(wide, {0.263, 0.338}, 0.003);
}

TEST(Bootstrap, OfASumOfSumsEqualsScipys) {
  // Image i has 1 + i % 5 captions, of which i % 7 % (2 + i % 5) are found.
  SampleRatios ratios;
  for (int i = 0; i < 60; ++i) {
    ratios.denominators.push_back(static_cast<float>(1 + i % 5));
    ratios.numerators.push_back(static_cast<float>(i % 7 % (2 + i % 5)));
  }
  EXPECT_NEAR(value_of(ratios), 0.46111111111111114, 1e-12);
  expect_near(interval_of(ratios, {.draws = 20'000}), {0.3616, 0.5607}, 0.004);
}

TEST(Bootstrap, OfAMeanOverClassesEqualsScipys) {
  // Class i % 4 % 3, correct if i % 5 < class + 1: classes of different sizes and recalls.
  SampleRatios ratios;
  for (int i = 0; i < 80; ++i) {
    ratios.groups.push_back(i % 4 % 3);
    ratios.numerators.push_back(i % 5 < i % 4 % 3 + 1 ? 1.0F : 0.0F);
  }
  EXPECT_NEAR(value_of(ratios), 0.4000000000000001, 1e-12);
  expect_near(interval_of(ratios, {.draws = 20'000}), {0.2897, 0.5117}, 0.004);
}

TEST(Bootstrap, LeavesOutClassesWithoutSamples) {
  const SampleRatios ratios = {.numerators = {1, 0, 1}, .groups = {0, 5, 5}};
  EXPECT_DOUBLE_EQ(value_of(ratios), 0.75);
}

TEST(Bootstrap, DependsOnTheSeedAndNotOnThreads) {
  const SampleRatios ratios = mean_of(7, 30);
  const Interval one = interval_of(ratios, {.draws = 200, .threads = 1}),
                 three = interval_of(ratios, {.draws = 200, .threads = 3});
  EXPECT_EQ(one.low, three.low);
  EXPECT_EQ(one.high, three.high);
  const std::vector<SampleRatios> both = {mean_of(15, 30), ratios};
  const Interval second = bootstrap_intervals(both, {.draws = 200}).at(1);
  EXPECT_EQ(second.low, one.low) << "other metrics of the same samples change nothing";
  std::set<double> lows;
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    lows.insert(interval_of(ratios, {.draws = 200, .seed = seed}).low);
  EXPECT_GT(lows.size(), 1U);
}

TEST(Bootstrap, OfCertainResultsIsAPoint) {
  expect_near(interval_of(mean_of(9, 9), {}), {1, 1}, 0);
  expect_near(interval_of(mean_of(0, 9), {}), {0, 0}, 0);
}

TEST(Bootstrap, NeedsSamplesAndDraws) {
  const SampleRatios none, some = mean_of(1, 2);
  EXPECT_TRUE(bootstrap_intervals(std::span(&none, 1), {}).empty());
  EXPECT_TRUE(bootstrap_intervals(std::span(&some, 1), {.draws = 0}).empty());
  EXPECT_TRUE(std::isnan(value_of(none)));
}

}  // namespace
}  // namespace cloob
