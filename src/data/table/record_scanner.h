// Iterates over the records of a table from front to back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cloob/base/files.h"
#include "cloob/data/table/csv_table.h"

namespace cloob {

/// Longer records are not read: nothing that is meant to be one row is that long.
inline constexpr std::size_t kMaxRecordBytes = std::size_t{64} << 20;

/// One record of a table.
struct CsvRecord {
  std::uint64_t begin = 0;  ///< offset in the file
  std::int64_t line = 0;    ///< of the file, from 1
  std::string_view text;    ///< without its line break; invalidated by the next call
};

/// Reads a table through a buffer that is a little larger than its longest record. The file must outlive it.
class RecordScanner {
 public:
  /// Starts at a byte offset, on the first line.
  RecordScanner(const RandomAccessFile& file, std::uint64_t begin, const CsvDialect& dialect)
      : file_(file), dialect_(dialect), next_offset_(begin), begin_(begin) {}

  /// The next record, which is empty for a blank line; nullopt at the end. Throws UserError for a quoted field that
  /// never ends, for a record of more than kMaxRecordBytes, and when the file cannot be read.
  std::optional<CsvRecord> next();

 private:
  bool fetch();

  const RandomAccessFile& file_;
  CsvDialect dialect_;
  std::uint64_t next_offset_;  // of the first byte that is not in the buffer
  std::string buffer_;
  std::size_t position_ = 0;  // of the next record in the buffer
  std::uint64_t begin_;       // the same in the file
  std::int64_t line_ = 1;
};

}  // namespace cloob
