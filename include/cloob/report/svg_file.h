// Charts as a drawing of their own, for documents.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cloob/report/html_report.h"

namespace cloob {

/// An SVG file with all charts, `columns` beside each other, under one legend. Curves with the same name have the same
/// colour. Light and dark as the reader prefers.
std::string render_svg(const std::vector<Chart>& charts, std::int64_t columns);

}  // namespace cloob
