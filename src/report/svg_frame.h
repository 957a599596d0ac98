// Shared parts of all drawings of a report: the mapping from data to coordinates, and axes.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace cloob {

/// Round numbers along an axis: multiples of a step of 1, 2 or 5 times a power of ten.
struct AxisTicks {
  double step = 1;
  std::vector<double> values;
  std::vector<std::string> labels;
};

/// About `count` ticks within [low, high]. Needs low < high.
AxisTicks axis_ticks(double low, double high, int count);

struct AxisInterval {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// Maps data to the view box of a drawing.
struct Frame {
  static constexpr double kWidth = 560, kHeight = 300;
  static constexpr double kLeft = 52, kRight = 16, kTop = 26, kBottom = 44;
  AxisInterval x, y;

  double left_of(double value) const {
    return kLeft + (value - x.low) / (x.high - x.low) * (kWidth - kLeft - kRight);
  }
  double top_of(double value) const {
    return kHeight - kBottom - (value - y.low) / (y.high - y.low) * (kHeight - kTop - kBottom);
  }
  /// Widens y to round numbers, so that the ends of the axis have labels.
  void round_y();
};

/// The opening tag of a drawing, with further attributes.
std::string svg_begin(std::string_view title, std::string_view attributes = "");

/// Grid, axes and their labels, with the given ticks on the x axis.
std::string svg_axes(const Frame& frame, const AxisTicks& x_ticks, std::string_view x_label,
                     std::string_view y_label);

/// Text with HTML's special characters escaped.
std::string html_escaped(std::string_view text);

}  // namespace cloob
