#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cloob/report/html_report.h"

namespace cloob {

/// Round numbers along an axis: multiples of a step of 1, 2 or 5 times a power of ten.
struct AxisTicks {
  double step = 1;
  std::vector<double> values;
  std::vector<std::string> labels;
};

/// About `count` ticks within [low, high]. Needs low < high.
AxisTicks axis_ticks(double low, double high, int count);

/// The chart as an <svg> element. `colors[i]` is the CSS class of the colour of series i.
std::string svg_chart(const Chart& chart, const std::vector<std::string>& colors);

/// Text with the characters that mean something in HTML replaced.
std::string html_escaped(std::string_view text);

}  // namespace cloob
