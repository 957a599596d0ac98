#pragma once

#include <string>
#include <vector>

#include "cloob/report/html_report.h"

namespace cloob {

/// The chart as an <svg> element. `colors[i]` is the CSS class for the colour of series i.
std::string svg_chart(const Chart& chart, const std::vector<std::string>& colors);

}  // namespace cloob
