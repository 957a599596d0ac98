#include "report/svg_histogram.h"

#include <gmock/gmock.h>

#include "cloob/base/error.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Histogram histogram_of(HistogramScale scale, std::map<double, std::int64_t> counts) {
  return {.title = "Words <b>",
          .x_label = "words",
          .y_label = "captions",
          .scale = scale,
          .counts = std::move(counts)};
}

std::vector<std::int64_t> counts_of(const std::vector<HistogramBar>& bars) {
  std::vector<std::int64_t> counts;
  for (const HistogramBar& bar : bars) counts.push_back(bar.count);
  return counts;
}

TEST(HistogramBars, ShowEachOfAFewIntegersSeparately) {
  const auto bars = histogram_bars(histogram_of(HistogramScale::whole, {{2, 5}, {3, 1}, {5, 4}}));
  EXPECT_THAT(counts_of(bars), ElementsAre(5, 1, 0, 4));
  EXPECT_EQ(bars[0].left, 1.5);  // around the number, where its tick is
  EXPECT_EQ(bars[0].right, 2.5);
  EXPECT_EQ(bars[3].range, "5");
}

TEST(HistogramBars, GroupManyIntegers) {
  std::map<double, std::int64_t> counts;
  for (int value = 0; value < 320; ++value) counts[value] = 1;
  const auto bars = histogram_bars(histogram_of(HistogramScale::whole, counts));
  ASSERT_EQ(bars.size(), 32u);
  for (const HistogramBar& bar : bars) EXPECT_EQ(bar.count, 10) << bar.range;
  EXPECT_EQ(bars[1].range, "10 to 19");
}

TEST(HistogramBars, CombineALongTail) {
  const auto bars =
      histogram_bars(histogram_of(HistogramScale::whole, {{1, 500}, {2, 500}, {900, 18}, {5000, 1}}));
  EXPECT_THAT(counts_of(bars), ElementsAre(500, 500, 19));
  EXPECT_EQ(bars[2].range, "more, up to 5000");
  EXPECT_GT(bars[2].left, bars[1].right);
  // A short tail is not combined.
  EXPECT_THAT(counts_of(histogram_bars(histogram_of(HistogramScale::whole, {{10, 500}, {12, 1}}))),
              ElementsAre(500, 0, 1));
}

TEST(HistogramBars, HaveConstantRatiosOnALogarithmicScale) {
  const auto bars = histogram_bars(histogram_of(HistogramScale::logarithmic, {{0.5, 1}, {1, 7}, {2, 2}}));
  ASSERT_EQ(bars.size(), 17u);  // eight per octave
  EXPECT_EQ(bars[0].count, 1);
  EXPECT_EQ(bars[8].count, 7);
  EXPECT_EQ(bars[16].count, 2);
  EXPECT_DOUBLE_EQ(bars[8].left, -0.0625);  // around 1, whose log2 is 0
  const auto wide = histogram_bars(histogram_of(HistogramScale::logarithmic, {{1, 100}, {1e6, 100}}));
  EXPECT_LE(wide.size(), 33u);
}

TEST(HistogramBars, SupportFractions) {
  const auto bars = histogram_bars(histogram_of(HistogramScale::linear, {{0.0, 1}, {0.31, 2}, {1.0, 3}}));
  std::int64_t total = 0;
  for (const HistogramBar& bar : bars) total += bar.count;
  EXPECT_EQ(total, 6);
  EXPECT_EQ(bars.front().left, 0);
  EXPECT_EQ(bars.front().count, 1);
  EXPECT_EQ(bars.back().count, 3);
  EXPECT_THROW(histogram_bars(histogram_of(HistogramScale::linear, {})), InternalError);
}

TEST(SvgHistogram, DrawsBarsWithTheirCounts) {
  const std::string svg = svg_histogram(histogram_of(HistogramScale::whole, {{2, 1500}, {3, 500}}));
  EXPECT_THAT(svg, HasSubstr("<title>2: 1,500 (75 %)</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>3: 500 (25 %)</title>"));
  EXPECT_THAT(svg, HasSubstr("aria-label=\"Words &lt;b&gt;\""));
  // Heights in the ratio 3 : 1, upwards from 256, where 230 units are 1,500 counts.
  EXPECT_THAT(svg, HasSubstr("256.0V26.0H"));
  EXPECT_THAT(svg, HasSubstr("256.0V179.3H"));
}

TEST(SvgHistogram, HandlesASingleNumber) {
  for (const HistogramScale scale :
       {HistogramScale::whole, HistogramScale::linear, HistogramScale::logarithmic}) {
    const std::string svg = svg_histogram(histogram_of(scale, {{224, 3}}));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, HasSubstr(": 3 (100 %)"));
    EXPECT_THAT(svg, HasSubstr(">2</text>"));  // the axis has integer counts
  }
  EXPECT_THAT(svg_histogram(histogram_of(HistogramScale::linear, {{0, 3}})), Not(HasSubstr("nan")));
  EXPECT_THAT(svg_histogram(histogram_of(HistogramScale::whole, {{1, 3}})), Not(HasSubstr(">-")));
}

}  // namespace
}  // namespace cloob
