#include "cloob/data/table/csv_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/base/utf8.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/image_suffixes.h"
#include "cloob/data/limits.h"
#include "data/file_content.h"
#include "data/table/record_scanner.h"

namespace cloob {
namespace {

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::int64_t kRowsPerLine = 256;  // rows per remembered line number
constexpr std::size_t kProbeBytes = 1 << 16;

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
  std::int64_t first_line = 0;  ///< of the first row with such lines
  std::int64_t num_rows = 0, num_lines = 0;

  void add(std::int64_t line, std::int64_t lines) {
    if (lines == 0) return;
    if (num_rows++ == 0) first_line = line;
    num_lines += lines;
  }
};

bool names_an_image(std::string_view text) { return has_image_name(trim(text)); }

// What to do about a first line of these columns, of which a setting names none.
std::string advice_on_columns(const std::vector<std::string>& columns, std::string_view setting) {
  if (std::ranges::any_of(columns, names_an_image)) {
    return "it is not a line of names: add one, or set data.csv.header to false and number the columns, "
           "--data.csv.filepath_column 1 --data.csv.caption_columns 2";
  }
  if (columns.size() == 1) {
    if (const std::size_t found = columns.front().find_first_of(";|"); found != kNone)
      return fmt::format("set data.csv.separator to '{}'", columns.front()[found]);
  }
  return fmt::format("set {} or data.csv.separator", setting);
}

std::string read_text(const RandomAccessFile& file, std::uint64_t begin, std::uint64_t end) {
  std::string text(static_cast<std::size_t>(end - begin), '\0');
  file.read(begin, std::as_writable_bytes(std::span(text)));
  return text;
}

// Throws if a file that begins like this is not a table that can be read.
void require_table(const std::filesystem::path& path, std::string_view first_bytes) {
  const auto other = describe_other_content(first_bytes, ExpectedContent::table, path);
  if (other) throw_user_error("'{}' is not a table: it {}", path.string(), *other);
  if (first_bytes.starts_with("\xff\xfe") || first_bytes.starts_with("\xfe\xff")) {
    throw_user_error("'{}' is encoded as UTF-16: save it as UTF-8", path.string());
  }
  const std::string_view text = without_byte_order_mark(first_bytes);
  if (trim(text).empty()) throw_user_error("'{}' is empty", path.string());
  if (text.find_first_of(std::string_view("\n\0", 2)) == kNone && trim(text).find('\r') != kNone) {
    throw_user_error("'{0}' ends its lines with carriage returns alone: convert it, tr '\\r' '\\n' < '{0}'",
                     path.string());
  }
}

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
    : path_(std::move(path)), file_(path_), has_header_(config.header) {
  const std::string first_bytes = read_text(file_, 0, std::min<std::uint64_t>(file_.size(), kProbeBytes));
  require_table(path_, first_bytes);
  const std::string_view text = without_byte_order_mark(first_bytes);
  const std::string_view first_line = text.substr(std::min(text.find_first_not_of("\r\n"), text.size()));
  dialect_.separator =
      config.separator_character().value_or(detect_separator(first_line.substr(0, first_line.find('\n'))));
  dialect_.quoting = config.quoting;
  index_rows(first_bytes.size() - text.size());
}

void CsvTable::index_rows(std::uint64_t begin) {
  SwallowedLines swallowed;
  RecordScanner scanner(file_, begin, dialect_);
  while (const auto record = scanner.next()) {
    if (record->text.empty()) continue;
    const bool is_first = columns_.empty();
    if (is_first) {
      if (record->text.find('\0') != kNone)
        throw_user_error("'{}' is not a text file: its first line has NUL bytes", path_.string());
      try {
        require_at_most(kMaxCaptionsBytes, record->text.size(), "the row");
        columns_ = parse_record(record->text, dialect_);
      } catch (const BadSample& bad) {
        throw_user_error("{}:{}: {}", path_.string(), record->line, bad.what());
      }
    }
    if (!is_first || !has_header_) {
      if (num_rows() % kRowsPerLine == 0) lines_.push_back(record->line);
      begins_.push_back(record->begin);
    }
    swallowed.add(record->line, lines_like_rows(record->text, dialect_.separator, columns_.size()));
  }
  if (begins_.empty()) throw_user_error("'{}' has a header but no rows", path_.string());
  if (swallowed.num_lines > 0) {
    log_warning("data",
                "{}:{}: a quoted field contains lines that look like rows of their own, {} in all{}: set "
                "data.csv.quoting to 'none' if quotes are plain text",
                path_.string(), swallowed.first_line, with_thousands(swallowed.num_lines),
                swallowed.num_rows > 1 ? fmt::format(" in {} rows", with_thousands(swallowed.num_rows)) : "");
  }
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
  const std::string hint = suggestion(name, columns_);
  throw_user_error("{}:1: no column '{}'{} the columns are '{}' (separator {}): {}", path_.string(), name,
                   hint.empty() ? ";" : hint, join(columns_, "', '"), separator_name(dialect_.separator),
                   advice_on_columns(columns_, setting));
}

// Past the last byte that may belong to a row: where the next one begins.
std::uint64_t CsvTable::row_end(std::int64_t number) const {
  const auto row = static_cast<std::size_t>(number);
  const std::uint64_t next = row + 1 < begins_.size() ? begins_[row + 1] : file_.size();
  return std::min(next, begins_[row] + 2 * kMaxRecordBytes);  // blank lines may follow, any number of them
}

// `text` begins with the row.
std::vector<std::string> CsvTable::parse_row(std::string_view text) const {
  std::string_view record = text.substr(0, find_record_end(text, 0, dialect_));
  if (record.ends_with('\n')) record.remove_suffix(1);
  if (record.ends_with('\r')) record.remove_suffix(1);
  if (const std::size_t nul = record.find('\0'); nul != kNone) {
    throw BadSample(BadKind::malformed_row, fmt::format("byte {} of the row is NUL (\\0)", nul + 1));
  }
  require_at_most(kMaxCaptionsBytes, record.size(), "the row");
  std::vector<std::string> fields = parse_record(record, dialect_);
  if (fields.size() != columns_.size()) {
    throw BadSample(BadKind::malformed_row,
                    fmt::format("it has {} columns, the first line has {} (separator {})", fields.size(),
                                columns_.size(), separator_name(dialect_.separator)));
  }
  return fields;
}

std::vector<std::string> CsvTable::row(std::int64_t number) const {
  CLOOB_CHECK(number >= 0 && number < num_rows(), "row {} of {}", number, num_rows());
  return parse_row(read_text(file_, begins_[static_cast<std::size_t>(number)], row_end(number)));
}

std::int64_t CsvTable::line(std::int64_t row) const {
  constexpr std::uint64_t kPieceBytes = 1 << 20;
  const std::int64_t known = row / kRowsPerLine;
  const std::uint64_t end = begins_[static_cast<std::size_t>(row)];
  std::int64_t line = lines_[static_cast<std::size_t>(known)];
  std::uint64_t begin = begins_[static_cast<std::size_t>(known * kRowsPerLine)];
  while (begin < end) {
    const std::string piece = read_text(file_, begin, std::min(end, begin + kPieceBytes));
    line += std::ranges::count(piece, '\n');
    begin += piece.size();
  }
  return line;
}

std::vector<std::string> CsvRowReader::row(std::int64_t number) {
  constexpr std::uint64_t kWindowBytes = 256 << 10;
  CLOOB_CHECK(number >= 0 && number < table_.num_rows(), "row {} of {}", number, table_.num_rows());
  const std::uint64_t begin = table_.begins_[static_cast<std::size_t>(number)], end = table_.row_end(number);
  if (begin < window_begin_ || end > window_begin_ + window_.size()) {
    window_ =
        read_text(table_.file_, begin, std::min(table_.file_.size(), std::max(end, begin + kWindowBytes)));
    window_begin_ = begin;
  }
  const auto offset = static_cast<std::size_t>(begin - window_begin_);
  return table_.parse_row(std::string_view(window_).substr(offset, static_cast<std::size_t>(end - begin)));
}

}  // namespace cloob
