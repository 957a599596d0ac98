#include "report/svg_scatter.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "cloob/base/error.h"
#include "report/svg_frame.h"

namespace cloob {
namespace {

bool is_drawn(const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second);
}

AxisInterval around_center(const AxisInterval& interval, double size) {
  const double center = (interval.low + interval.high) / 2;
  return {center - size / 2, center + size / 2};
}

// A unit is as long on both axes, so that distances are those of the points.
Frame frame_of(const Scatter& scatter) {
  constexpr double kMargin = 1.08;
  constexpr double kWidth = Frame::kWidth - Frame::kLeft - Frame::kRight,
                   kHeight = Frame::kHeight - Frame::kTop - Frame::kBottom;
  Frame frame;
  double largest = 0;
  for (const ScatterGroup& group : scatter.groups) {
    for (const auto& point : group.points) {
      if (!is_drawn(point)) continue;
      frame.x.include(point.first);
      frame.y.include(point.second);
      largest = std::max({largest, std::abs(point.first), std::abs(point.second)});
    }
  }
  if (frame.x.low > frame.x.high) frame.x = frame.y = {0, 0};  // no points
  const double size = std::max((frame.x.high - frame.x.low) / kWidth, (frame.y.high - frame.y.low) / kHeight);
  const double smallest = std::max(1e-6 * largest, 1e-9);  // also where all points are one
  const double unit = kMargin * std::max(size, smallest);
  frame.x = around_center(frame.x, unit * kWidth);
  frame.y = around_center(frame.y, unit * kHeight);
  return frame;
}

}  // namespace

std::string scatter_class(const ScatterGroup& group) {
  CLOOB_CHECK(!group.color || *group.color < kScatterColors, "colour {}", *group.color);
  return (group.color ? fmt::format("s{}", *group.color) : std::string("grey")) +
         (group.mark == ScatterMark::square ? " square" : "");
}

std::string svg_scatter(const Scatter& scatter) {
  const Frame frame = frame_of(scatter);
  const bool has_grey = std::ranges::any_of(scatter.groups, [](const auto& group) { return !group.color; });
  std::string svg = svg_begin(scatter.title);
  svg += svg_axes(frame, axis_ticks(frame.x.low, frame.x.high, 6), "first principal component",
                  "second principal component");
  for (const ScatterGroup& group : scatter.groups) {
    std::string path;
    for (const auto& point : group.points) {
      // A line without a length is its caps: a disc or a square.
      if (is_drawn(point))
        path += fmt::format("M{:.1f} {:.1f}h0", frame.left_of(point.first), frame.top_of(point.second));
    }
    // What stands out from the grey ones.
    const bool is_large = has_grey && group.color.has_value();
    svg += fmt::format(R"(<path class="dots {}{}" d="{}"/>)", scatter_class(group), is_large ? " large" : "",
                       path);
  }
  return svg + "</svg>";
}

}  // namespace cloob
