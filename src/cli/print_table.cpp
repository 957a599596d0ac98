#include "cli/print_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

namespace cloob {

void print_table(const ReportTable& table) {
  std::vector<std::size_t> widths(table.header.size(), 0);
  const auto widen = [&](const std::vector<std::string>& cells) {
    for (std::size_t column = 0; column < cells.size(); ++column) {
      widths[column] = std::max(widths[column], cells[column].size());
    }
  };
  const auto print_row = [&](const std::vector<std::string>& cells) {
    std::string line = fmt::format("{:<{}}", cells[0], widths[0]);
    for (std::size_t column = 1; column < cells.size(); ++column)
      line += fmt::format("  {:>{}}", cells[column], widths[column]);
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
