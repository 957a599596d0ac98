#include "cli/print_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

namespace cloob {
namespace {

// Places on the terminal: bytes that continue a character of UTF-8 take none.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

void print_table(const ReportTable& table) {
  std::vector<std::size_t> widths(table.header.size(), 0);
  const auto widen = [&](const std::vector<std::string>& cells) {
    for (std::size_t column = 0; column < cells.size(); ++column) {
      widths[column] = std::max(widths[column], width_of(cells[column]));
    }
  };
  const auto print_row = [&](const std::vector<std::string>& cells) {
    const auto padding = [&](std::size_t column) {
      return std::string(widths[column] - width_of(cells[column]), ' ');
    };
    std::string line = cells[0] + padding(0);
    for (std::size_t column = 1; column < cells.size(); ++column)
      line += fmt::format("  {}{}", padding(column), cells[column]);
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  };
  widen(table.header);
  for (const auto& row : table.rows) widen(row);
  if (!table.title.empty()) fmt::print("{}\n\n", table.title);
  if (std::ranges::any_of(table.header, [](const std::string& cell) { return !cell.empty(); }))
    print_row(table.header);
  for (const auto& row : table.rows) print_row(row);
  if (!table.note.empty()) fmt::print("\n{}\n", table.note);
}

}  // namespace cloob
