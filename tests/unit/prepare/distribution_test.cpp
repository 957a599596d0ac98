#include "cloob/prepare/distribution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cloob/base/error.h"
#include "cloob/base/random.h"

namespace cloob {
namespace {

TEST(Distribution, KeepsSmallIntegersExactly) {
  Distribution values;
  for (int value = 0; value <= 1024; ++value) values.add(value);
  EXPECT_EQ(values.counts().size(), 1025u);
  EXPECT_EQ(values.counts().count(1023), 1u);
  EXPECT_EQ(values.count(), 1025);
  EXPECT_EQ(values.quantile(0.5), 512);
  EXPECT_EQ(values.mean(), 512);
}

TEST(Distribution, ComputesQuantiles) {
  Distribution values;
  for (const double value : {4, 1, 3, 2, 2, 2, 7, 5, 6, 9}) values.add(value);
  EXPECT_EQ(values.quantile(0), 1);
  EXPECT_EQ(values.quantile(0.1), 1);
  EXPECT_EQ(values.quantile(0.11), 2);
  EXPECT_EQ(values.quantile(0.5), 3);
  EXPECT_EQ(values.quantile(0.9), 7);
  EXPECT_EQ(values.quantile(1), 9);
  EXPECT_DOUBLE_EQ(values.mean(), 4.1);
}

TEST(Distribution, RoundsLargeNumbersAndFractionsToAThousandth) {
  Distribution values;
  RandomStream random(RandomUse::synthetic_data, {1});
  for (int i = 0; i < 100'000; ++i) values.add(std::exp(random.uniform(-3, 12)));
  EXPECT_LT(values.counts().size(), 13'000u);
  EXPECT_NEAR(std::log(values.quantile(0.5)), 4.5, 0.1);
  Distribution one;
  one.add(123'456'789);
  EXPECT_EQ(one.max(), 123'456'789);
  EXPECT_EQ(one.quantile(0.5), 123'456'789);  // clamped to the maximum
  EXPECT_NEAR(one.counts().begin()->first / 123'456'789, 1, 0.001);
}

TEST(Distribution, DoesNotDependOnTheOrderOfMerging) {
  RandomStream random(RandomUse::synthetic_data, {2});
  Distribution all;
  Distribution parts[3];
  for (int i = 0; i < 1000; ++i) {
    const double value = random.uniform(0, 5000);
    all.add(value);
    parts[random.below(3)].add(value);
  }
  Distribution joined;
  joined.merge({});
  for (const int part : {2, 0, 1}) joined.merge(parts[part]);
  EXPECT_EQ(joined.counts(), all.counts());
  EXPECT_EQ(joined.count(), 1000);
  EXPECT_EQ(joined.min(), all.min());
  EXPECT_EQ(joined.max(), all.max());
  EXPECT_EQ(joined.mean(), all.mean());
}

TEST(Distribution, RejectsQueriesOnEmptyAndNonFiniteValues) {
  EXPECT_THROW(Distribution().mean(), InternalError);
  EXPECT_THROW(Distribution().quantile(0.5), InternalError);
  EXPECT_THROW(Distribution().add(std::numeric_limits<double>::quiet_NaN()), InternalError);
}

}  // namespace
}  // namespace cloob
