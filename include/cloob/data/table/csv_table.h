// A table of any size: read row by row, with an index of eight bytes per row in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/data/data_config.h"

namespace cloob {

/// How the characters of a table are read.
struct CsvDialect {
  char separator = ',';
  CsvQuoting quoting = CsvQuoting::double_quotes;
};

/// End of the record that begins at `begin`, past its line break; npos if a quoted field never ends. A stray
/// quote affects only its own line.
std::size_t find_record_end(std::string_view text, std::size_t begin, const CsvDialect& dialect);

/// The fields of one record without its line break. Throws BadSample for misplaced quotes.
std::vector<std::string> parse_record(std::string_view record, const CsvDialect& dialect);

/// The record, without a line break, that `parse_record` parses into these fields. A field is quoted only if
/// it has to be and the dialect has quotes.
std::string format_record(const std::vector<std::string>& fields, const CsvDialect& dialect);

/// Rows of a CSV or TSV file. Blank lines are skipped; a byte order mark and CRLF line ends are understood.
/// Thread-safe once constructed.
class CsvTable {
 public:
  /// Throws UserError.
  CsvTable(std::filesystem::path path, const CsvConfig& config);

  std::int64_t num_rows() const { return static_cast<std::int64_t>(begins_.size()); }
  const std::filesystem::path& path() const { return path_; }
  const CsvDialect& dialect() const { return dialect_; }
  /// The fields of the first line: the columns' names, if there is a header.
  const std::vector<std::string>& columns() const { return columns_; }
  /// Index of the column with this name (without a header: with this number, counted from 1). Throws
  /// UserError that lists the columns; `setting` is the setting that holds the name.
  std::size_t find_column(const std::string& name, std::string_view setting) const;
  /// All fields of a row. Throws BadSample for misplaced quotes, NUL bytes or a number of columns that differs from
  /// the first line's, and UserError if the file has become shorter.
  std::vector<std::string> row(std::int64_t number) const;
  /// Line of the file where a row begins, from 1. Reads a few hundred rows.
  std::int64_t line(std::int64_t row) const;

 private:
  friend class CsvRowReader;
  void index_rows(std::uint64_t begin);
  std::uint64_t row_end(std::int64_t number) const;
  std::vector<std::string> parse_row(std::string_view text) const;

  std::filesystem::path path_;
  RandomAccessFile file_;
  CsvDialect dialect_;
  bool has_header_;
  std::vector<std::string> columns_;
  std::vector<std::uint64_t> begins_;  // of rows, as offsets in the file
  std::vector<std::int64_t> lines_;    // of every kRowsPerLine-th row
};

/// Reads the rows of a table that are near each other faster than CsvTable::row does. Not thread-safe; the table must
/// outlive it.
class CsvRowReader {
 public:
  explicit CsvRowReader(const CsvTable& table) : table_(table) {}
  /// As CsvTable::row.
  std::vector<std::string> row(std::int64_t number);

 private:
  const CsvTable& table_;
  std::string window_;
  std::uint64_t window_begin_ = 0;
};

}  // namespace cloob
