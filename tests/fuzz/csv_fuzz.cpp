// A table: the first byte selects how it is read, the rest is the file.
#include <array>
#include <optional>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/table/csv_table.h"
#include "fuzz_support.h"

namespace cloob {
namespace {

using fuzz::require;

using Row = std::vector<std::string>;

CsvConfig config_from(std::uint8_t choice) {
  const std::array<std::optional<std::string>, 8> separators = {
      std::nullopt, ",", "tab", ";", "|", " ", "a", std::string(1, '\0')};
  CsvConfig config;
  config.quoting = (choice & 1) != 0 ? CsvQuoting::none : CsvQuoting::double_quotes;
  config.header = (choice & 2) == 0;
  config.separator = separators[choice >> 2 & 7];
  return config;
}

std::string in_quotes(const std::string& field) { return '"' + join(split(field, '"'), "\"\"") + '"'; }

void check_fields(const Row& row, const CsvDialect& dialect) {
  Row written = row;
  if (dialect.quoting == CsvQuoting::double_quotes) {
    for (std::string& field : written) field = in_quotes(field);
  }
  const std::string record = join(written, std::string(1, dialect.separator));
  require(parse_record(record, dialect) == row, "fields survive being written and read again");
  if (dialect.quoting == CsvQuoting::double_quotes) {
    require(find_record_end(record + "\nx", 0, dialect) == record.size() + 1,
            "a record with all fields quoted ends after its line break");
  }
}

void check_columns(const CsvTable& table, std::size_t num_columns) {
  const auto has_column = [&](std::size_t number) {
    try {
      return table.find_column(std::to_string(number), "a setting") == number - 1;
    } catch (const UserError&) {
      return false;
    }
  };
  require(has_column(num_columns), "the last column is found by its number");
  require(!has_column(num_columns + 1) && !has_column(0), "no column is found beyond the others");
}

void check_rows(const CsvTable& table, const CsvConfig& config) {
  require(table.num_rows() > 0, "a table without rows is rejected");
  const auto separator = config.separator_character();
  std::optional<std::size_t> num_columns;
  std::int64_t line = config.header ? 1 : 0;
  for (std::int64_t i = 0; i < table.num_rows(); ++i) {
    require(table.line(i) > line, "every row begins on its own line");
    line = table.line(i);
    try {
      const Row row = table.row(i);
      if (!num_columns && !config.header) check_columns(table, row.size());
      require(row.size() == num_columns.value_or(row.size()), "all rows have the same number of columns");
      num_columns = row.size();
      if (separator) check_fields(row, {*separator, config.quoting});
    } catch (const BadSample& bad) {
      require(bad.kind() == BadKind::malformed_row, "a row that cannot be read counts as malformed");
      require(i > 0 || config.header, "the first line has as many columns as the first line");
    }
  }
}

}  // namespace
}  // namespace cloob

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cloob;
  if (size == 0) return 0;
  static fuzz::MemoryFile file;
  file.assign(fuzz::as_bytes(data, size).subspan(1));
  const CsvConfig config = config_from(data[0]);
  try {
    check_rows(CsvTable(file.path(), config), config);
  } catch (const UserError&) {
  }
  return 0;
}
