#include <fmt/core.h>

#include <algorithm>

#include "cloob/report/html_report.h"

namespace cloob {
namespace {

// Text as it is, on one line.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      result += ' ';
      continue;
    }
    if (std::string_view("\\`*<>[]|~&").find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

std::string table_line(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += fmt::format(" {} |", escaped(cell));
  return line + "\n";
}

std::string table_text(const ReportTable& table) {
  std::string text = fmt::format("## {}\n\n", escaped(table.title)) + table_line(table.header) + "|";
  for (std::size_t i = 0; i < table.header.size(); ++i)
    text += table.is_text || i == 0 ? " --- |" : " ---: |";
  text += "\n";
  for (const auto& row : table.rows) text += table_line(row);
  return table.note.empty() ? text + "\n" : text + "\n" + escaped(table.note) + "\n\n";
}

}  // namespace

std::string render_markdown(const HtmlReport& report) {
  std::string text = fmt::format("# {}\n\n", escaped(report.title));
  if (!report.summary.empty()) text += escaped(report.summary) + "\n\n";
  for (const std::string& paragraph : report.verdict) text += escaped(paragraph) + "\n\n";
  for (const ReportNotes& notes : report.notes) {
    text += fmt::format("## {}\n\n", escaped(notes.title));
    for (const ReportNotes::Note& note : notes.notes) {
      text += "-";
      if (!note.headline.empty()) text += fmt::format(" {}", escaped(note.headline));
      for (const std::string& line : note.lines) text += fmt::format(" {}", escaped(line));
      text += "\n";
    }
    text += "\n";
  }
  for (const ReportTable& table : report.tables) text += table_text(table);
  text.pop_back();
  return text;
}

}  // namespace cloob
