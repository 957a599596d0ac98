#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cloob/report/html_report.h"
#include "report/svg_frame.h"

namespace cloob {

struct HistogramBar {
  double left = 0;  ///< on the axis: the number itself, or its log2 where the scale is logarithmic
  double right = 0;
  std::int64_t count = 0;
  std::string range;  ///< which numbers it stands for: "12", "10 to 14", "more than 99"
};

/// The bars of a histogram from left to right, without empty ones at the ends.
std::vector<HistogramBar> histogram_bars(const Histogram& histogram);

/// The histogram as an <svg> element.
std::string svg_histogram(const Histogram& histogram);

}  // namespace cloob
