#include "cloob/report/svg_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "cloob/base/error.h"
#include "report/svg_chart.h"
#include "report/svg_frame.h"

namespace cloob {
namespace {

constexpr std::string_view kStyle = R"(<style>
:root{--page:#fff;--ink:#16150f;--muted:#5f5e58;--grid:#e8e7e1;--axis:#b9b8ae;
--c0:#2a78d6;--c1:#e4572e;--c2:#12946a;--c3:#6a4fc4;--c4:#c98500;--c5:#c2408f}
@media(prefers-color-scheme:dark){:root{--page:#1b1b1a;--ink:#f3f2ee;--muted:#a8a79f;--grid:#2e2e2b;--axis:#55544d;
--c0:#5b9df0;--c1:#f27a54;--c2:#35b98a;--c3:#a08df0;--c4:#e0a63a;--c5:#e57fbd}}
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--muted)}
.title{font-size:15px;font-weight:600;fill:var(--ink)}
.page{fill:var(--page)}.grid{stroke:var(--grid)}.axis{stroke:var(--axis);fill:none}
.level{stroke:var(--muted);stroke-dasharray:4 4;fill:none}
.curve{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.dot{fill:var(--c);stroke:var(--page);stroke-width:1.5}.key{fill:var(--c)}.hint{fill:transparent}
.s0{--c:var(--c0)}.s1{--c:var(--c1)}.s2{--c:var(--c2)}.s3{--c:var(--c3)}.s4{--c:var(--c4)}.s5{--c:var(--c5)}
</style>)";
constexpr std::size_t kNumColors = 6;
constexpr double kGap = 24, kLegend = 40, kTitle = 26, kKey = 165;

std::string color_of(const std::vector<std::string>& names, const std::string& name) {
  const auto found = std::ranges::find(names, name);
  return fmt::format("s{}", static_cast<std::size_t>(found - names.begin()) % kNumColors);
}

std::vector<std::string> names_of(const std::vector<Chart>& charts) {
  std::vector<std::string> names;
  for (const Chart& chart : charts) {
    for (const ChartSeries& series : chart.series) {
      if (std::ranges::find(names, series.name) == names.end()) names.push_back(series.name);
    }
  }
  return names;
}

// A drawing in a drawing has a place and a size.
std::string placed(const std::string& svg, double x, double y) {
  constexpr std::string_view kTag = "<svg ";
  CLOOB_CHECK(svg.starts_with(kTag), "not a drawing: {}", svg.substr(0, 40));
  return fmt::format(R"(<svg x="{}" y="{}" width="{}" height="{}" {})", x, y, Frame::kWidth, Frame::kHeight,
                     svg.substr(kTag.size()));
}

}  // namespace

std::string render_svg(const std::vector<Chart>& charts, std::int64_t columns) {
  CLOOB_CHECK(columns >= 1, "{} columns", columns);
  const std::vector<std::string> names = names_of(charts);
  const double cell_width = Frame::kWidth + kGap, cell_height = kTitle + Frame::kHeight + kGap;
  const auto rows = (std::ssize(charts) + columns - 1) / columns;
  const double width = kGap + static_cast<double>(columns) * cell_width;
  const double height = kGap + kLegend + static_cast<double>(rows) * cell_height;
  std::string svg = fmt::format(
      R"(<svg data-program="cloob" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}">{2}<rect class="page" width="{0}" height="{1}"/>)",
      width, height, kStyle);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const double x = kGap + static_cast<double>(i) * kKey;
    svg += fmt::format(
        "\n"
        R"(<rect class="key {}" x="{}" y="{}" width="16" height="3"/><text x="{}" y="{}">{}</text>)",
        color_of(names, names[i]), x, kGap + 8, x + 22, kGap + 14, html_escaped(names[i]));
  }
  for (std::size_t i = 0; i < charts.size(); ++i) {
    const auto place = static_cast<std::int64_t>(i);
    const double x = kGap + static_cast<double>(place % columns) * cell_width;
    const double y = kGap + kLegend + static_cast<double>(place / columns) * cell_height;
    std::vector<std::string> colors;
    for (const ChartSeries& series : charts[i].series) colors.push_back(color_of(names, series.name));
    svg += fmt::format("\n<text class=\"title\" x=\"{}\" y=\"{}\">{}</text>\n", x, y + 14,
                       html_escaped(charts[i].title));
    svg += placed(svg_chart(charts[i], colors), x, y + kTitle);
  }
  return svg + "\n</svg>\n";
}

}  // namespace cloob
