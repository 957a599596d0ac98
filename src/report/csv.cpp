#include "cloob/report/csv.h"

#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/text.h"

namespace cloob {

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv_value(double value) { return std::isfinite(value) ? shortest(value) : ""; }

std::vector<std::vector<std::string>> read_csv_records(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  std::vector<std::vector<std::string>> records;
  std::vector<std::string> record(1);
  bool is_quoted = false;
  const auto end_record = [&] {
    const bool is_empty = record.size() == 1 && record.front().empty();
    if (!is_empty && !records.empty() && record.size() != records.front().size()) {
      throw_user_error("'{}', record {}: {} fields, the header has {}", file.string(), records.size() + 1,
                       record.size(), records.front().size());
    }
    if (!is_empty) records.push_back(std::move(record));
    record.assign(1, "");
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_quoted) {
      const bool is_doubled = c == '"' && i + 1 < text.size() && text[i + 1] == '"';
      if (is_doubled) ++i;
      if (c != '"' || is_doubled)
        record.back() += c;
      else
        is_quoted = false;
    } else if (c == '"' && record.back().empty()) {
      is_quoted = true;
    } else if (c == ',') {
      record.emplace_back();
    } else if (c == '\n') {
      end_record();
    } else if (c != '\r') {
      record.back() += c;
    }
  }
  if (is_quoted) throw_user_error("'{}' ends within quotes", file.string());
  end_record();
  return records;
}

}  // namespace cloob
