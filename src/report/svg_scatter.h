#pragma once

#include <string>

#include "cloob/report/html_report.h"

namespace cloob {

/// The classes of the points of a group: colour and shape.
std::string scatter_class(const ScatterGroup& group);

/// The points as an <svg> element, a path for each group.
std::string svg_scatter(const Scatter& scatter);

}  // namespace cloob
