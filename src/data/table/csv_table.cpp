#include "cloob/data/table/csv_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/base/utf8.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/limits.h"

namespace cloob {
namespace {

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::size_t kTarMagic = 257;  // offset of the word ustar in a tar file

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Offset of the quote that closes the field whose opening quote is at `open`; a doubled quote is one
// character of the field.
std::size_t find_closing_quote(std::string_view text, std::size_t open) {
  for (std::size_t quote = text.find('"', open + 1); quote != kNone; quote = text.find('"', quote + 2)) {
    if (quote + 1 == text.size() || text[quote + 1] != '"') return quote;
  }
  return kNone;
}

char detect_separator(std::string_view first_line) { return first_line.find('\t') != kNone ? '\t' : ','; }

// Lines of a quoted field, after its first, with as many separators as a row has.
std::int64_t lines_like_rows(std::string_view record, char separator, std::size_t num_columns) {
  std::int64_t lines = 0;
  for (std::size_t end = record.find('\n'); end != kNone;) {
    const std::size_t begin = end + 1;
    end = record.find('\n', begin);
    const auto separators = std::ranges::count(record.substr(begin, end - begin), separator);
    if (num_columns > 1 && separators + 1 == static_cast<std::ptrdiff_t>(num_columns)) ++lines;
  }
  return lines;
}

/// Such lines in a table.
struct SwallowedLines {
  std::size_t first_begin = 0;  ///< of the first row with such lines
  std::int64_t num_rows = 0, num_lines = 0;

  void add(std::size_t begin, std::int64_t lines) {
    if (lines == 0) return;
    if (num_rows++ == 0) first_begin = begin;
    num_lines += lines;
  }
};

std::string separator_name(char separator) {
  return separator == '\t' ? "tab" : fmt::format("'{}'", separator);
}

}  // namespace

std::size_t find_record_end(std::string_view text, std::size_t begin, const CsvDialect& dialect) {
  const auto past = [&](std::size_t line_break) {
    return line_break == kNone ? text.size() : line_break + 1;
  };
  const std::size_t line_end = past(text.find('\n', begin));
  const bool has_quote = text.substr(begin, line_end - begin).find('"') != kNone;
  if (dialect.quoting == CsvQuoting::none || !has_quote) return line_end;
  const char ends[] = {dialect.separator, '\n'};
  for (std::size_t field = begin; field < text.size();) {
    std::size_t rest = field;
    if (text[field] == '"') {
      rest = find_closing_quote(text, field);
      if (rest == kNone) return kNone;
      // A stray quote must affect only its own line, not all lines up to the next quote.
      const std::size_t after = rest + 1;
      const bool closes = after == text.size() || text[after] == dialect.separator || text[after] == '\n' ||
                          text[after] == '\r';
      if (!closes) return past(text.find('\n', field));
    }
    const std::size_t end = text.find_first_of(std::string_view(ends, 2), rest);
    if (end == kNone) return text.size();
    if (text[end] == '\n') return end + 1;
    field = end + 1;
  }
  return text.size();
}

std::vector<std::string> parse_record(std::string_view record, const CsvDialect& dialect) {
  std::vector<std::string> fields;
  for (std::size_t begin = 0;;) {
    std::size_t end;
    if (dialect.quoting == CsvQuoting::double_quotes && begin < record.size() && record[begin] == '"') {
      const std::size_t closing = find_closing_quote(record, begin);
      end = closing == kNone ? kNone : closing + 1;
      if (end == kNone || (end < record.size() && record[end] != dialect.separator)) {
        throw BadSample(BadKind::malformed_row,
                        fmt::format("column {} begins with a quote but does not end with one; "
                                    "data.csv.quoting 'none' treats quotes as plain text",
                                    fields.size() + 1));
      }
      std::string& field = fields.emplace_back();
      for (std::size_t i = begin + 1; i < closing; ++i) {
        field += record[i];
        if (record[i] == '"') ++i;
      }
    } else {
      end = std::min(record.find(dialect.separator, begin), record.size());
      fields.emplace_back(record.substr(begin, end - begin));
    }
    if (end == record.size()) return fields;
    begin = end + 1;
  }
}

std::string format_record(const std::vector<std::string>& fields, const CsvDialect& dialect) {
  const char special[] = {dialect.separator, '\n', '\r'};
  std::string record;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) record += dialect.separator;
    const std::string& field = fields[i];
    const bool needs_quotes =
        field.starts_with('"') || field.find_first_of({special, 3}) != std::string::npos;
    if (dialect.quoting == CsvQuoting::none || !needs_quotes) {
      record += field;
      continue;
    }
    record += '"';
    for (const char c : field) record.append(c == '"' ? 2 : 1, c);
    record += '"';
  }
  return record;
}

CsvTable::CsvTable(std::filesystem::path path, const CsvConfig& config)
    : path_(std::move(path)), file_(path_), text_(as_text(file_.bytes())), has_header_(config.header) {
  if (text_.starts_with("\xff\xfe") || text_.starts_with("\xfe\xff")) {
    throw_user_error("'{}' is encoded as UTF-16: save it as UTF-8", path_.string());
  }
  if (text_.substr(0, 1 << 16).find('\0') != kNone) {
    const bool is_tar = text_.size() > kTarMagic && text_.substr(kTarMagic).starts_with("ustar");
    throw_user_error("'{}' is not a text file{}", path_.string(),
                     is_tar ? ": it is a tar file, whose name must end in .tar" : "");
  }
  text_ = without_byte_order_mark(text_);
  if (trim(text_.substr(0, 1 << 16)).empty()) throw_user_error("'{}' is empty", path_.string());
  const std::size_t first = text_.find_first_not_of("\r\n");
  dialect_.separator =
      config.separator_character().value_or(detect_separator(text_.substr(0, text_.find('\n', first))));
  dialect_.quoting = config.quoting;
  index_rows(first, config.header);
}

std::vector<std::string> CsvTable::parse_first_record(std::size_t begin, std::size_t end) const {
  try {
    require_at_most(kMaxCaptionsBytes, end - begin, "the row");
    return parse_record(record_at(begin, end), dialect_);
  } catch (const BadSample& bad) {
    throw_user_error("{}:{}: {}", path_.string(), line_at(begin), bad.what());
  }
}

void CsvTable::index_rows(std::size_t begin, bool has_header) {
  SwallowedLines swallowed;
  while (begin < text_.size()) {
    const std::size_t end = find_record_end(text_, begin, dialect_);
    if (end == kNone) {
      throw_user_error(
          "{}:{}: a quoted field in this row never ends: fix it, or set data.csv.quoting to 'none' if quotes "
          "are plain text",
          path_.string(), line_at(begin));
    }
    if (const std::string_view record = record_at(begin, end); !record.empty()) {
      if (columns_.empty()) columns_ = parse_first_record(begin, end);
      if (!std::exchange(has_header, false)) begins_.push_back(begin);
      swallowed.add(begin, lines_like_rows(record, dialect_.separator, columns_.size()));
    }
    begin = end;
  }
  if (begins_.empty()) throw_user_error("'{}' has a header but no rows", path_.string());
  if (swallowed.num_lines > 0) {
    log_warning("data",
                "{}:{}: a quoted field contains lines that look like rows of their own, {} in all{}: set "
                "data.csv.quoting to 'none' if quotes are plain text",
                path_.string(), line_at(swallowed.first_begin), with_thousands(swallowed.num_lines),
                swallowed.num_rows > 1 ? fmt::format(" in {} rows", with_thousands(swallowed.num_rows)) : "");
  }
}

std::string_view CsvTable::record_at(std::size_t begin, std::size_t end) const {
  std::string_view record = text_.substr(begin, end - begin);
  if (record.ends_with('\n')) record.remove_suffix(1);
  if (record.ends_with('\r')) record.remove_suffix(1);
  return record;
}

std::size_t CsvTable::find_column(const std::string& name, std::string_view setting) const {
  if (!has_header_) {
    const auto number = parse_integer(name);
    if (number && *number >= 1 && *number <= static_cast<std::int64_t>(columns_.size())) {
      return static_cast<std::size_t>(*number - 1);
    }
    throw_user_error(
        "{}: there is no column '{}': data.csv.header is false, so {} must be a number from 1 to {}",
        path_.string(), name, setting, columns_.size());
  }
  const auto found = std::find(columns_.begin(), columns_.end(), name);
  if (found != columns_.end()) return static_cast<std::size_t>(found - columns_.begin());
  throw_user_error(
      "{}:1: no column '{}'{}; the columns are '{}' (separator {}): set {} or data.csv.separator",
      path_.string(), name, suggestion(name, columns_), join(columns_, "', '"),
      separator_name(dialect_.separator), setting);
}

std::vector<std::string> CsvTable::row(std::int64_t number) const {
  CLOOB_CHECK(number >= 0 && number < num_rows(), "row {} of {}", number, num_rows());
  const auto begin = static_cast<std::size_t>(begins_[static_cast<std::size_t>(number)]);
  const std::string_view record = record_at(begin, find_record_end(text_, begin, dialect_));
  require_at_most(kMaxCaptionsBytes, record.size(), "the row");
  auto fields = parse_record(record, dialect_);
  if (fields.size() != columns_.size()) {
    throw BadSample(BadKind::malformed_row,
                    fmt::format("it has {} columns, the first line has {} (separator {})", fields.size(),
                                columns_.size(), separator_name(dialect_.separator)));
  }
  return fields;
}

std::int64_t CsvTable::line(std::int64_t row) const {
  return line_at(static_cast<std::size_t>(begins_[static_cast<std::size_t>(row)]));
}

std::int64_t CsvTable::line_at(std::size_t offset) const {
  return 1 + std::ranges::count(text_.substr(0, offset), '\n');
}

}  // namespace cloob
