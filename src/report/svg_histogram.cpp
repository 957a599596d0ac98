#include "report/svg_histogram.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

constexpr int kTargetBars = 32;

std::int64_t total_of(const Histogram& histogram) {
  std::int64_t total = 0;
  for (const auto& [value, count] : histogram.counts) total += count;
  return total;
}

// The largest number with its own bar: the maximum, unless a few numbers form a long tail.
double tail_start(const Histogram& histogram, std::int64_t total) {
  constexpr double kMaxTailFraction = 0.02, kMinTailRatio = 1.5;
  const double largest = histogram.counts.rbegin()->first;
  std::int64_t beyond = 0;
  for (auto it = histogram.counts.rbegin(); it != histogram.counts.rend(); ++it) {
    if (static_cast<double>(beyond + it->second) > kMaxTailFraction * static_cast<double>(total))
      return largest > kMinTailRatio * it->first ? it->first : largest;
    beyond += it->second;
  }
  return largest;
}

// The mapping from numbers to bins and back.
struct Bins {
  HistogramScale scale;
  double width;  // on the axis

  std::int64_t bin_of(double value) const {
    if (scale == HistogramScale::logarithmic) return std::llround(std::log2(value) / width);
    return static_cast<std::int64_t>(std::floor(value / width + 1e-9));
  }
  double left_of(std::int64_t bin) const {
    const auto number = static_cast<double>(bin);
    if (scale == HistogramScale::logarithmic) return (number - 0.5) * width;
    return scale == HistogramScale::whole ? number * width - 0.5 : number * width;
  }
  std::string range_of(std::int64_t bin) const {
    if (scale == HistogramScale::whole) {
      const auto first = bin * std::llround(width), last = first + std::llround(width) - 1;
      return first == last ? with_thousands(first)
                           : fmt::format("{} to {}", with_thousands(first), with_thousands(last));
    }
    double left = left_of(bin), right = left_of(bin + 1);
    if (scale == HistogramScale::logarithmic) {
      left = std::exp2(left);
      right = std::exp2(right);
    }
    return fmt::format("{:.3g} to {:.3g}", left, right);
  }
};

Bins choose_bins(const Histogram& histogram, double low, double high) {
  if (histogram.scale == HistogramScale::logarithmic) {
    CLOOB_CHECK(low > 0, "{} on a logarithmic scale", low);
    double width = 0.125;
    while (std::log2(high / low) / width > kTargetBars) width *= 2;
    return {histogram.scale, width};
  }
  const double step = high > low ? axis_ticks(low, high, kTargetBars).step : 1;
  return {histogram.scale, histogram.scale == HistogramScale::whole ? std::max(1.0, step) : step};
}

// Round numbers on a logarithmic axis.
AxisTicks logarithmic_ticks(const AxisInterval& log2_of) {
  constexpr double kMaxDetailedOctaves = 7;
  AxisTicks ticks;
  for (double power = 1e-6; power < 1e12; power *= 10) {
    for (const double factor : {1.0, 1.5, 2.0, 3.0, 5.0, 7.0}) {
      const bool is_main = factor == 1;
      if (!is_main && log2_of.high - log2_of.low > kMaxDetailedOctaves) continue;
      const double place = std::log2(power * factor);
      if (place < log2_of.low || place > log2_of.high) continue;
      ticks.values.push_back(place);
      ticks.labels.push_back(fmt::format("{:g}", power * factor));
    }
  }
  return ticks;
}

Frame frame_of(const std::vector<HistogramBar>& bars, HistogramScale scale) {
  constexpr double kMinBars = 6;    // a single bar should not fill the drawing
  constexpr double kMinCounts = 5;  // otherwise the axis would have fractional counts
  Frame frame;
  for (const HistogramBar& bar : bars) {
    frame.x.include(bar.left);
    frame.x.include(bar.right);
    frame.y.include(static_cast<double>(bar.count));
  }
  const double width = bars.front().right - bars.front().left;
  const double missing = std::max(0.0, kMinBars * width - (frame.x.high - frame.x.low));
  frame.x = {frame.x.low - missing / 2, frame.x.high + missing / 2};
  // Lengths and counts cannot be negative.
  const double lowest = scale == HistogramScale::whole ? -0.5 : 0;
  const double below = lowest - frame.x.low;
  if (scale != HistogramScale::logarithmic && bars.front().left >= lowest && below > 0)
    frame.x = {lowest, frame.x.high + below};
  frame.y.low = 0;
  frame.y.include(kMinCounts);
  frame.round_y();
  return frame;
}

}  // namespace

std::vector<HistogramBar> histogram_bars(const Histogram& histogram) {
  CLOOB_CHECK(!histogram.counts.empty(), "a histogram without counts");
  const double end = tail_start(histogram, total_of(histogram));
  const Bins bins = choose_bins(histogram, histogram.counts.begin()->first, end);
  const std::int64_t first = bins.bin_of(histogram.counts.begin()->first), last = bins.bin_of(end);
  std::vector<HistogramBar> bars;
  for (std::int64_t bin = first; bin <= last; ++bin)
    bars.push_back({bins.left_of(bin), bins.left_of(bin + 1), 0, bins.range_of(bin)});
  std::int64_t beyond = 0;
  for (const auto& [value, count] : histogram.counts) {
    const std::int64_t bin = bins.bin_of(value);
    (bin > last ? beyond : bars[static_cast<std::size_t>(bin - first)].count) += count;
  }
  if (beyond > 0) {
    const double left = bars.back().right + bins.width / 2;
    bars.push_back({left, left + bins.width, beyond,
                    fmt::format("more, up to {:.4g}", histogram.counts.rbegin()->first)});
  }
  return bars;
}

std::string svg_histogram(const Histogram& histogram) {
  const std::vector<HistogramBar> bars = histogram_bars(histogram);
  const Frame frame = frame_of(bars, histogram.scale);
  const auto total = static_cast<double>(total_of(histogram));
  std::string svg = svg_begin(histogram.title);
  svg += svg_axes(frame,
                  histogram.scale == HistogramScale::logarithmic ? logarithmic_ticks(frame.x)
                                                                 : axis_ticks(frame.x.low, frame.x.high, 6),
                  histogram.x_label, histogram.y_label);
  for (const HistogramBar& bar : bars) {
    if (bar.count == 0) continue;
    constexpr double kGap = 0.5;
    // Even one in a million is visible.
    const double top = std::min(frame.top_of(static_cast<double>(bar.count)), frame.top_of(0) - 1);
    svg += fmt::format(R"(<path class="bar" d="M{:.1f} {:.1f}V{:.1f}H{:.1f}V{:.1f}z">)"
                       R"(<title>{}: {} ({:.3g} %)</title></path>)",
                       frame.left_of(bar.left) + kGap, frame.top_of(0), top, frame.left_of(bar.right) - kGap,
                       frame.top_of(0), bar.range, with_thousands(bar.count),
                       100 * static_cast<double>(bar.count) / total);
  }
  return svg + "</svg>";
}

}  // namespace cloob
