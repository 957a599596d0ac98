#include "report/svg_chart.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

// Everything in the units of the view box.
constexpr double kWidth = 560, kHeight = 300;
constexpr double kLeft = 52, kRight = 16, kTop = 26, kBottom = 44;
constexpr std::size_t kMostPointsWithHints = 250;

struct Interval {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// Maps data to the view box.
struct Frame {
  Interval x, y;

  double left_of(double value) const {
    return kLeft + (value - x.low) / (x.high - x.low) * (kWidth - kLeft - kRight);
  }
  double top_of(double value) const {
    return kHeight - kBottom - (value - y.low) / (y.high - y.low) * (kHeight - kTop - kBottom);
  }
};

bool is_drawn(const ChartPoint& point) { return std::isfinite(point.x) && std::isfinite(point.y); }

Interval widened(Interval interval) {
  if (interval.low > interval.high) return {0, 1};  // nothing to show
  // Small values are honest only when the axis starts at zero.
  if (interval.low > 0 && interval.low < interval.high / 2) interval.low = 0;
  const double size = std::max(std::abs(interval.low), std::abs(interval.high));
  if (interval.high - interval.low <= 1e-9 * size) {  // a constant, but for rounding
    const double margin = std::max(size / 10, 0.5);
    return {interval.low - margin, interval.high + margin};
  }
  return interval;
}

Frame frame_of(const Chart& chart) {
  Frame frame;
  for (const ChartSeries& series : chart.series) {
    for (const ChartPoint& point : series.points) {
      if (!is_drawn(point)) continue;
      frame.x.include(point.x);
      frame.y.include(point.y);
    }
  }
  for (const ChartLevel& level : chart.levels) frame.y.include(level.y);
  frame.x = widened(frame.x);
  frame.y = widened(frame.y);
  // Up to the next round number, so that no curve touches the frame without a label there.
  const double step = axis_ticks(frame.y.low, frame.y.high, 5).step;
  frame.y = {std::floor(frame.y.low / step) * step, std::ceil(frame.y.high / step) * step};
  return frame;
}

std::string axes(const Chart& chart, const Frame& frame) {
  std::string svg;
  const AxisTicks y = axis_ticks(frame.y.low, frame.y.high, 5);
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const double top = frame.top_of(y.values[i]);
    svg += fmt::format(R"(<path class="grid" d="M{} {:.1f}H{}"/><text class="tick" x="{}" y="{:.1f}" )"
                       R"(text-anchor="end">{}</text>)",
                       kLeft, top, kWidth - kRight, kLeft - 8, top + 4, y.labels[i]);
  }
  const double bottom = kHeight - kBottom;
  const AxisTicks x = axis_ticks(frame.x.low, frame.x.high, 6);
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const double left = frame.left_of(x.values[i]);
    svg += fmt::format(R"(<path class="axis" d="M{:.1f} {}v5"/><text class="tick" x="{:.1f}" y="{}" )"
                       R"(text-anchor="middle">{}</text>)",
                       left, bottom, left, bottom + 18, x.labels[i]);
  }
  svg += fmt::format(R"(<path class="axis" d="M{} {}H{}"/>)", kLeft, bottom, kWidth - kRight);
  svg += fmt::format(R"(<text class="label" x="{}" y="{}" text-anchor="middle">{}</text>)",
                     (kLeft + kWidth - kRight) / 2, kHeight - 6, html_escaped(chart.x_label));
  svg += fmt::format(R"(<text class="label" x="4" y="12">{}</text>)", html_escaped(chart.y_label));
  return svg;
}

std::string level_line(const ChartLevel& level, const Frame& frame) {
  const double top = frame.top_of(level.y);
  return fmt::format(R"(<path class="level" d="M{} {:.1f}H{}"/><text class="tick" x="{}" y="{:.1f}" )"
                     R"(text-anchor="end">{} {}</text>)",
                     kLeft, top, kWidth - kRight, kWidth - kRight, top - 5, html_escaped(level.name),
                     fmt::format("{:.3g}", level.y));
}

std::string curve(const ChartSeries& series, const Frame& frame, const std::string& color) {
  std::string path;
  bool pen_is_down = false;
  const ChartPoint* last = nullptr;
  for (const ChartPoint& point : series.points) {
    const bool drawn = is_drawn(point);
    if (drawn) {
      path += fmt::format("{}{:.1f} {:.1f}", pen_is_down ? "L" : "M", frame.left_of(point.x),
                          frame.top_of(point.y));
      last = &point;
    }
    pen_is_down = drawn;
  }
  if (last == nullptr) return {};
  return fmt::format(
      R"(<path class="curve {}" d="{}"/><circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3.5"/>)", color,
      path, color, frame.left_of(last->x), frame.top_of(last->y));
}

// Invisible discs over the points: the browser shows their titles under the mouse.
std::string hints(const ChartSeries& series, const Frame& frame) {
  if (series.points.size() > kMostPointsWithHints) return {};
  std::string svg;
  for (const ChartPoint& point : series.points) {
    if (!is_drawn(point)) continue;
    svg += fmt::format(
        R"(<circle class="hint" cx="{:.1f}" cy="{:.1f}" r="6"><title>{}: {:.4g} at {}</title></circle>)",
        frame.left_of(point.x), frame.top_of(point.y), html_escaped(series.name), point.y, shortest(point.x));
  }
  return svg;
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

AxisTicks axis_ticks(double low, double high, int count) {
  CLOOB_CHECK(low < high, "axis from {} to {}", low, high);
  const double wanted = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(wanted)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= wanted * 0.999) step = factor * power;
  }
  AxisTicks ticks{.step = step, .values = {}, .labels = {}};
  // A little beyond both ends: 0.3 / 0.1 is less than 3 in floating point.
  for (double i = std::ceil(low / step - 1e-6); i <= high / step + 1e-6; ++i)
    ticks.values.push_back(i * step + 0.0);
  const double largest = std::max(std::abs(low), std::abs(high));
  const double unit = largest >= 1e6 ? 1e6 : largest >= 1e4 ? 1e3 : 1;
  const std::string_view suffix = unit == 1e6 ? "M" : unit == 1e3 ? "k" : "";
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step / unit) + 1e-9)));
  for (const double value : ticks.values) {
    ticks.labels.push_back(value == 0 ? "0" : fmt::format("{:.{}f}{}", value / unit, decimals, suffix));
  }
  return ticks;
}

std::string svg_chart(const Chart& chart, const std::vector<std::string>& colors) {
  CLOOB_CHECK(colors.size() == chart.series.size(), "{} colours for {} series", colors.size(),
              chart.series.size());
  const Frame frame = frame_of(chart);
  std::string svg = fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}">)", kWidth, kHeight,
                                html_escaped(chart.title));
  svg += axes(chart, frame);
  for (const ChartLevel& level : chart.levels) svg += level_line(level, frame);
  for (std::size_t i = 0; i < chart.series.size(); ++i) svg += curve(chart.series[i], frame, colors[i]);
  for (const ChartSeries& series : chart.series) svg += hints(series, frame);
  return svg + "</svg>";
}

}  // namespace cloob
