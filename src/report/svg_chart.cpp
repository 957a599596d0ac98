#include "report/svg_chart.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "report/svg_frame.h"

namespace cloob {
namespace {

bool is_drawn(const ChartPoint& point) { return std::isfinite(point.x) && std::isfinite(point.y); }

bool has_band(const ChartPoint& point) {
  return is_drawn(point) && std::isfinite(point.low) && std::isfinite(point.high);
}

AxisInterval widened(AxisInterval interval) {
  if (interval.low > interval.high) return {0, 1};  // no data
  // The axis starts at zero unless the values vary little: otherwise heights would be misleading.
  if (interval.low > 0 && interval.low < interval.high / 2) interval.low = 0;
  const double size = std::max(std::abs(interval.low), std::abs(interval.high));
  if (interval.high - interval.low <= 1e-9 * size) {  // constant up to rounding
    if (size == 0) return {0, 1};
    return interval.high > 0 ? AxisInterval{0, 1.5 * size} : AxisInterval{-1.5 * size, 0};
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
      if (!has_band(point)) continue;
      frame.y.include(point.low);
      frame.y.include(point.high);
    }
  }
  for (const ChartLevel& level : chart.levels) frame.y.include(level.y);
  frame.x = widened(frame.x);
  frame.y = widened(frame.y);
  frame.round_y();
  return frame;
}

std::string level_line(const ChartLevel& level, const Frame& frame) {
  const double top = frame.top_of(level.y);
  return fmt::format(R"(<path class="level" d="M{} {:.1f}H{}"/><text class="tick" x="{}" y="{:.1f}" )"
                     R"(text-anchor="end">{} {}</text>)",
                     Frame::kLeft, top, Frame::kWidth - Frame::kRight, Frame::kWidth - Frame::kRight, top - 5,
                     html_escaped(level.name), fmt::format("{:.3g}", level.y));
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

// The area between the smallest and the largest values.
std::string band(const ChartSeries& series, const Frame& frame, const std::string& color) {
  std::string areas;
  std::vector<const ChartPoint*> stretch;
  const auto end_stretch = [&] {
    std::string path;
    for (const ChartPoint* point : stretch)
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", frame.left_of(point->x),
                          frame.top_of(point->high));
    for (auto point = stretch.rbegin(); point != stretch.rend(); ++point)
      path += fmt::format("L{:.1f} {:.1f}", frame.left_of((*point)->x), frame.top_of((*point)->low));
    if (stretch.size() > 1) areas += path + "Z";
    stretch.clear();
  };
  for (const ChartPoint& point : series.points) {
    if (has_band(point))
      stretch.push_back(&point);
    else
      end_stretch();
  }
  end_stretch();
  return areas.empty() ? "" : fmt::format(R"(<path class="band {}" d="{}"/>)", color, areas);
}

// What the script of the page shows under the pointer: for each curve its points as [place in the drawing, x, y, low,
// high], the last two only with a band.
std::string values_json(const Chart& chart, const Frame& frame) {
  nlohmann::json all = nlohmann::json::array();
  const auto rounded = [](double value) { return parse_double(fmt::format("{:.4g}", value)).value_or(0); };
  for (const ChartSeries& series : chart.series) {
    nlohmann::json points = nlohmann::json::array();
    for (const ChartPoint& point : series.points) {
      if (!is_drawn(point)) continue;
      nlohmann::json values = {std::round(10 * frame.left_of(point.x)) / 10, point.x, rounded(point.y)};
      if (has_band(point)) {
        values.push_back(rounded(point.low));
        values.push_back(rounded(point.high));
      }
      points.push_back(std::move(values));
    }
    all.push_back(std::move(points));
  }
  return all.dump();
}

}  // namespace

std::string svg_chart(const Chart& chart, const std::vector<std::string>& colors) {
  CLOOB_CHECK(colors.size() == chart.series.size(), "{} colours for {} series", colors.size(),
              chart.series.size());
  const Frame frame = frame_of(chart);
  std::string svg = svg_begin(
      chart.title, fmt::format(R"( class="chart" tabindex="0" data-values="{}")", values_json(chart, frame)));
  svg += svg_axes(frame, axis_ticks(frame.x.low, frame.x.high, 6), chart.x_label, chart.y_label);
  for (const ChartLevel& level : chart.levels) svg += level_line(level, frame);
  for (std::size_t i = 0; i < chart.series.size(); ++i) svg += band(chart.series[i], frame, colors[i]);
  for (std::size_t i = 0; i < chart.series.size(); ++i) svg += curve(chart.series[i], frame, colors[i]);
  return svg + R"(<path class="cursor" d=""/></svg>)";
}

}  // namespace cloob
