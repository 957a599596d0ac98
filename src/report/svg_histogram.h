#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cloob/report/html_report.h"
#include "report/svg_frame.h"

namespace cloob {

struct HistogramBar {
  double left = 0;  ///< on the axis: the number itself, or its log2 if the scale is logarithmic
  double right = 0;
  std::int64_t count = 0;
  std::string range;  ///< the numbers it covers: "12", "10 to 14", "more, up to 99"
};

/// The bars of a histogram from left to right, without empty bars at the ends.
std::vector<HistogramBar> histogram_bars(const Histogram& histogram);

/// The histogram as an <svg> element.
std::string svg_histogram(const Histogram& histogram);

}  // namespace cloob
