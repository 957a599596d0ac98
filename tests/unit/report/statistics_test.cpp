#include "cloob/report/statistics.h"

#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

TEST(Summarize, HasNoSpreadOfASingleValue) {
  EXPECT_TRUE(std::isnan(summarize({}).mean));
  const std::vector<double> one = {2}, two = {2, 4};
  EXPECT_EQ(summarize(one).mean, 2);
  EXPECT_TRUE(std::isnan(summarize(one).deviation));
  EXPECT_DOUBLE_EQ(summarize(two).deviation, std::sqrt(2.0));
}

TEST(PairedTest, OfOnePairIsNoTest) {
  const std::vector<double> one = {0.5};
  const PairedTest test = paired_test(one, 1);
  EXPECT_EQ(test.count, 1);
  EXPECT_EQ(test.mean, 0.5);
  EXPECT_TRUE(std::isnan(test.p));
  EXPECT_TRUE(std::isnan(test.low));
  EXPECT_EQ(test.sign_p, 1);
}

// 0.1 + 0.2 - 0.3 is not zero: such a difference must not look like a significant one.
TEST(PairedTest, OfEqualDifferencesIsNotDefined) {
  const std::vector<double> equal = {0.1, 0.1 + 1e-17, 0.3 - 0.2}, zero = {0, 0, 0};
  EXPECT_TRUE(std::isnan(paired_test(equal, 0.3).p));
  EXPECT_TRUE(std::isnan(paired_test(zero, 0).p));
  EXPECT_EQ(paired_test(equal, 0.3).num_positive, 3);
  EXPECT_EQ(paired_test(zero, 0).sign_p, 1);
}

// One query of 50,000 in each: 0.30002 - 0.3 and 0.40002 - 0.4 differ by the rounding of 0.4, not by a spread of seeds.
TEST(PairedTest, RoundingOfTheValuesIsNoSpread) {
  const std::vector<double> one_query = {0.30002 - 0.3, 0.40002 - 0.4}, noise = {0.1 + 0.2 - 0.3, 0.0};
  const PairedTest test = paired_test(one_query, 0.40002);
  EXPECT_TRUE(std::isnan(test.p));
  EXPECT_EQ(test.deviation, 0);
  EXPECT_EQ(test.num_positive, 2);
  EXPECT_EQ(paired_test(noise, 0.3).mean, 0);
  EXPECT_EQ(paired_test(noise, 0.3).num_positive, 0);
  // A spread of two queries is one.
  const std::vector<double> spread = {0.30002 - 0.3, 0.40006 - 0.4};
  EXPECT_FALSE(std::isnan(paired_test(spread, 0.40006).p));
}

TEST(SignTest, OfThreePairsIsNeverBelowAQuarter) {
  EXPECT_DOUBLE_EQ(min_sign_test_p(3), 0.25);
  EXPECT_DOUBLE_EQ(min_sign_test_p(6), 0.03125);
  EXPECT_DOUBLE_EQ(sign_test_p(3, 3), 1);
}

TEST(HolmAdjusted, LeavesOutWhatWasNotTested) {
  const double nan = std::nan("");
  const std::vector<double> p = {0.01, nan, 0.03};
  const std::vector<double> adjusted = holm_adjusted(p);
  EXPECT_DOUBLE_EQ(adjusted[0], 0.02);
  EXPECT_TRUE(std::isnan(adjusted[1]));
  EXPECT_DOUBLE_EQ(adjusted[2], 0.03);
}

}  // namespace
}  // namespace cloob
