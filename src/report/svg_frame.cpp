#include "report/svg_frame.h"

#include <fmt/core.h>

#include <cmath>

#include "cloob/base/error.h"

namespace cloob {

std::string html_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

AxisTicks axis_ticks(double low, double high, int count) {
  CLOOB_CHECK(low < high, "axis from {} to {}", low, high);
  const double min_step = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(min_step)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= min_step * 0.999) step = factor * power;
  }
  AxisTicks ticks{.step = step, .values = {}, .labels = {}};
  // With a tolerance at both ends: 0.3 / 0.1 is less than 3 in floating point.
  for (double i = std::ceil(low / step - 1e-6); i <= high / step + 1e-6; ++i)
    ticks.values.push_back(i * step + 0.0);
  const double largest = std::max(std::abs(low), std::abs(high));
  const double unit = largest >= 1e6 ? 1e6 : largest >= 1e4 ? 1e3 : 1;
  const std::string_view suffix = unit == 1e6 ? "M" : unit == 1e3 ? "k" : "";
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step / unit) + 1e-9)));
  for (const double value : ticks.values) {
    ticks.labels.push_back(value == 0 ? "0" : fmt::format("{:.{}f}{}", value / unit, decimals, suffix));
  }
  return ticks;
}

void Frame::round_y() {
  const double step = axis_ticks(y.low, y.high, 5).step;
  y = {std::floor(y.low / step) * step, std::ceil(y.high / step) * step};
}

std::string svg_begin(std::string_view title, std::string_view attributes) {
  return fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}"{}>)", Frame::kWidth,
                     Frame::kHeight, html_escaped(title), attributes);
}

std::string svg_axes(const Frame& frame, const AxisTicks& x_ticks, std::string_view x_label,
                     std::string_view y_label) {
  std::string svg;
  const AxisTicks y = axis_ticks(frame.y.low, frame.y.high, 5);
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const double top = frame.top_of(y.values[i]);
    svg +=
        fmt::format(R"(<path class="grid" d="M{} {:.1f}H{}"/><text class="tick" x="{}" y="{:.1f}" )"
                    R"(text-anchor="end">{}</text>)",
                    Frame::kLeft, top, Frame::kWidth - Frame::kRight, Frame::kLeft - 8, top + 4, y.labels[i]);
  }
  const double bottom = Frame::kHeight - Frame::kBottom;
  for (std::size_t i = 0; i < x_ticks.values.size(); ++i) {
    const double left = frame.left_of(x_ticks.values[i]);
    svg += fmt::format(R"(<path class="axis" d="M{:.1f} {}v5"/><text class="tick" x="{:.1f}" y="{}" )"
                       R"(text-anchor="middle">{}</text>)",
                       left, bottom, left, bottom + 18, x_ticks.labels[i]);
  }
  svg += fmt::format(R"(<path class="axis" d="M{} {}H{}"/>)", Frame::kLeft, bottom,
                     Frame::kWidth - Frame::kRight);
  svg += fmt::format(R"(<text class="label" x="{}" y="{}" text-anchor="middle">{}</text>)",
                     (Frame::kLeft + Frame::kWidth - Frame::kRight) / 2, Frame::kHeight - 6,
                     html_escaped(x_label));
  svg += fmt::format(R"(<text class="label" x="4" y="12">{}</text>)", html_escaped(y_label));
  return svg;
}

}  // namespace cloob
