#include "report/progress_line.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cloob/base/text.h"

namespace cloob {
namespace {

// One figure of the line. On narrow terminals figures of low importance are omitted first.
struct Figure {
  std::string text;
  int importance = 0;
};

constexpr int kMinBarWidth = 8;
constexpr int kMaxBarWidth = 40;

std::string rate_text(double samples_per_second) {
  if (samples_per_second < 100) return fmt::format("{:.1f} samples/s", samples_per_second);
  return with_thousands(std::llround(samples_per_second)) + " samples/s";
}

std::string bound_text(BoundBy bound_by) {
  const std::string_view word = enum_name(bound_by);
  return bound_by == BoundBy::balanced ? std::string(word) : fmt::format("bound by {}", word);
}

std::vector<Figure> figures(const Progress& progress) {
  std::vector<Figure> list;
  if (progress.epoch) list.push_back({fmt::format("epoch {:.2f}", *progress.epoch), 1});
  if (progress.loss) list.push_back({fmt::format("loss {:.4f}", *progress.loss), 6});
  if (progress.loss && progress.chance_loss)
    list.push_back({fmt::format("chance {:.4f}", *progress.chance_loss), 0});
  if (progress.samples_per_second) list.push_back({rate_text(*progress.samples_per_second), 4});
  if (progress.data_wait) list.push_back({fmt::format("data wait {:.0f}%", 100 * *progress.data_wait), 2});
  if (progress.communication)
    list.push_back({fmt::format("communication {:.0f}%", 100 * *progress.communication), 2});
  if (progress.bound_by) list.push_back({bound_text(*progress.bound_by), 3});
  if (progress.seconds_left && progress.step < progress.num_steps) {
    list.push_back({human_seconds(*progress.seconds_left) + " left", 5});
  }
  return list;
}

double done_fraction(const Progress& progress) {
  if (progress.num_steps <= 0) return 0;
  return std::clamp(static_cast<double>(progress.step) / static_cast<double>(progress.num_steps), 0.0, 1.0);
}

std::string steps_text(const Progress& progress) {
  return fmt::format("{}/{}", with_thousands(progress.step), with_thousands(progress.num_steps));
}

// The bar itself, `width` characters wide.
std::string drawn_bar(double fraction, int width, const LineStyle& style) {
  const std::string full = style.unicode ? "\u2501" : "=";
  const std::string half = style.unicode ? "\u2578" : "-";
  const std::string rest = style.unicode ? (style.color ? "\u2501" : "\u2500") : (style.color ? "-" : ".");
  const int halves = static_cast<int>(std::floor(fraction * 2 * width));
  std::string done;
  std::string open;
  for (int i = 0; i < halves / 2; ++i) done += full;
  if (halves % 2 == 1) done += half;
  for (int i = (halves + 1) / 2; i < width; ++i) open += rest;
  if (!style.color) return done + open;
  return fmt::format("\x1b[36m{}\x1b[90m{}\x1b[0m", done, open);
}

}  // namespace

std::string progress_bar(const Progress& progress, const LineStyle& style) {
  const int columns = style.columns - 1;
  const double fraction = done_fraction(progress);
  const std::string head = fmt::format("{} {:3.0f}% ", progress.label, std::floor(100 * fraction));
  const std::string steps = fmt::format(" {} {}s", steps_text(progress), progress.unit);
  std::vector<Figure> shown = figures(progress);
  const auto tail_width = [&] {
    std::size_t width = steps.size();
    for (const Figure& figure : shown) width += 2 + figure.text.size();
    return static_cast<int>(width);
  };
  const auto bar_width = [&] { return columns - static_cast<int>(head.size()) - tail_width(); };
  while (bar_width() < kMinBarWidth && !shown.empty()) {
    shown.erase(std::min_element(shown.begin(), shown.end(), [](const Figure& a, const Figure& b) {
      return a.importance < b.importance;
    }));
  }
  if (bar_width() < kMinBarWidth)
    return (head + steps.substr(1)).substr(0, static_cast<std::size_t>(std::max(columns, 0)));
  std::string line = head + drawn_bar(fraction, std::min(bar_width(), kMaxBarWidth), style) + steps;
  for (const Figure& figure : shown) line += "  " + figure.text;
  return line;
}

std::string progress_sentence(const Progress& progress) {
  std::string line = fmt::format("{} {} ({:.0f}%)", progress.unit, steps_text(progress),
                                 std::floor(100 * done_fraction(progress)));
  for (const Figure& figure : figures(progress)) line += ", " + figure.text;
  return line;
}

}  // namespace cloob
