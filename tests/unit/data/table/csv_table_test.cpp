#include "cloob/data/table/csv_table.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/timer.h"
#include "cloob/data/bad_samples.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TempDir;
using testing::write_text;
using Rows = std::vector<std::vector<std::string>>;

Rows read_rows(const CsvTable& table) {
  Rows rows;
  for (std::int64_t row = 0; row < table.num_rows(); ++row) rows.push_back(table.row(row));
  return rows;
}

TEST(CsvTable, ReadsFilesWrittenByPython) {
  const auto expected = nlohmann::json::parse(read_file(testing::golden_path("data/table.json"))).get<Rows>();
  for (const std::string name : {"comma.csv", "tab.tsv"}) {
    const CsvTable table(testing::golden_path("data/" + name), CsvConfig());
    EXPECT_EQ(read_rows(table), Rows(expected.begin() + 1, expected.end())) << name;
    EXPECT_EQ(table.find_column("other", "x"), 2u);
  }
}

struct Case {
  std::string name;
  std::string text;
  CsvConfig config;
  Rows rows;
};

TEST(CsvTable, ParsesTablesInAllVariants) {
  const CsvConfig quotes, plain{.quoting = CsvQuoting::none};
  const std::vector<Case> cases = {
      {"plain", "a,b\n1,2\n3,4\n", quotes, {{"1", "2"}, {"3", "4"}}},
      {"no line break at the end", "a,b\n1,2", quotes, {{"1", "2"}}},
      {"CRLF", "a,b\r\n1,2\r\n3,\r\n", quotes, {{"1", "2"}, {"3", ""}}},
      {"byte order mark",
       "\xef\xbb\xbf"
       "a\tb\n1\t2\n",
       quotes,
       {{"1", "2"}}},
      {"blank lines", "\n\na,b\n\n1,2\n\r\n3,4\n\n", quotes, {{"1", "2"}, {"3", "4"}}},
      {"quotes", "a,b\n\"1,\"\"x\"\"\",\"2\n3\"\n\"\",\"\"\n", quotes, {{"1,\"x\"", "2\n3"}, {"", ""}}},
      {"quoted CRLF at the end", "a,b\r\n1,\"2\"\r\n", quotes, {{"1", "2"}}},
      {"quotes inside a field", "a,b\n1\",2 \"x\" y\n", quotes, {{"1\"", "2 \"x\" y"}}},
      {"quotes as text", "a\tb\n\"1\t\"2\" x\n", plain, {{"\"1", "\"2\" x"}}},
      {"another separator", "a;b\n1,;2\n", {.separator = ";"}, {{"1,", "2"}}},
      {"tab by its name", "a\tb,c\n1\t2,3\n", {.separator = "tab"}, {{"1", "2,3"}}},
      {"comma although there are tabs", "a\tb,c\n1\t2,3\n", {.separator = ","}, {{"1\t2", "3"}}},
      {"one column", "a\n1\n", quotes, {{"1"}}},
      {"no header", "1,2\n3,4\n", {.header = false}, {{"1", "2"}, {"3", "4"}}},
      {"UTF-8", "a,b\n\xc3\xa9,\xe4\xbd\xa0\n", quotes, {{"\xc3\xa9", "\xe4\xbd\xa0"}}},
  };
  const TempDir folder;
  for (const Case& c : cases) {
    const CsvTable table(write_text(folder / "table.csv", c.text), c.config);
    EXPECT_EQ(read_rows(table), c.rows) << c.name;
  }
}

TEST(CsvTable, ReportsTheLineOfEveryRow) {
  const TempDir folder;
  const CsvTable table(write_text(folder / "t.csv", "a,b\n1,\"x\ny\"\n\n2,z\n"), CsvConfig());
  EXPECT_EQ(table.line(0), 2);
  EXPECT_EQ(table.line(1), 5);
}

TEST(CsvTable, ReportsMalformedRows) {
  const TempDir folder;
  const CsvTable table(write_text(folder / "t.csv", "a,b\n1,2\n1,2,3\n1\n\"1\"x,2\n"), CsvConfig());
  EXPECT_EQ(table.row(0).size(), 2u);
  for (const auto& [row, part] :
       {std::pair(1, "it has 3 columns, the first line has 2 (separator ',')"),
        std::pair(2, "it has 1 columns"), std::pair(3, "column 1 begins with a quote")}) {
    try {
      table.row(row);
      ADD_FAILURE() << "row " << row;
    } catch (const BadSample& bad) {
      EXPECT_EQ(bad.kind(), BadKind::malformed_row);
      EXPECT_THAT(bad.what(), ::testing::HasSubstr(part));
    }
  }
}

TEST(CsvTable, StrayQuoteAffectsOnlyItsOwnLine) {
  const TempDir folder;
  const CsvTable table(write_text(folder / "t.tsv", "a\tb\n1\t\"open\n2\tx\n3\tsay \"hi\" y\n4\tz\n"),
                       CsvConfig());
  ASSERT_EQ(table.num_rows(), 4);
  EXPECT_THROW(table.row(0), BadSample);
  EXPECT_EQ(table.row(1), (std::vector<std::string>{"2", "x"}));
  EXPECT_EQ(table.row(3), (std::vector<std::string>{"4", "z"}));
}

TEST(CsvTable, RejectsFilesThatAreNotTables) {
  const TempDir folder;
  const auto expect_rejected = [&](const std::string& text, std::initializer_list<std::string> parts) {
    const auto path = write_text(folder / "t.csv", text);
    testing::expect_user_error([&] { CsvTable(path, CsvConfig()); }, parts);
  };
  expect_rejected("", {"t.csv' is empty"});
  expect_rejected("\xef\xbb\xbf\n \n", {"t.csv' is empty"});
  expect_rejected("a,b\n", {"has a header but no rows"});
  expect_rejected("\"a\" b,c\n1,2\n", {"t.csv:1: ", "begins with a quote"});
  expect_rejected(std::string("\xff\xfe"
                              "a\0",
                              4),
                  {"UTF-16", "UTF-8"});
  expect_rejected(std::string("a\0b,c\n", 6), {"t.csv' is not a text file"});
  expect_rejected(std::string(257, '\0') + "ustar", {"is a tar file", "end in .tar"});
  expect_rejected("a,b\n1,2\n3,\"4\n5,6\n", {"t.csv:3: ", "never ends", "data.csv.quoting"});
  testing::expect_user_error([&] { CsvTable(folder / "none.csv", CsvConfig()); },
                             {"none.csv': No such file"});
}

TEST(CsvTable, ListsTheColumnsIfOneIsMissing) {
  const TempDir folder;
  const CsvTable table(write_text(folder / "t.csv", "file_path,caption\n1,2\n"), CsvConfig());
  testing::expect_user_error([&] { table.find_column("filepath", "data.csv.filepath_column"); },
                             {"t.csv:1: no column 'filepath', did you mean 'file_path'?",
                              "'file_path', 'caption'", "separator ','", "set data.csv.filepath_column"});
  const auto expect_advice = [&](const std::string& first_line, const std::string& advice) {
    const CsvTable odd(write_text(folder / "odd.csv", first_line + "\n1,2\n"), CsvConfig());
    testing::expect_user_error([&] { odd.find_column("filepath", "data.csv.filepath_column"); }, {advice});
  };
  expect_advice("filepath|title", "set data.csv.separator to '|'");
  expect_advice("filepath;title", "set data.csv.separator to ';'");
  expect_advice("a dog,images/0.JPG ", "it is not a line of names: add one, or set data.csv.header to false");
  const CsvTable numbered(write_text(folder / "n.csv", "1,2\n"), CsvConfig{.header = false});
  EXPECT_EQ(numbered.find_column("2", "x"), 1u);
  for (const std::string name : {"0", "3", "title"}) {
    testing::expect_user_error([&] { numbered.find_column(name, "data.csv.caption_columns"); },
                               {"'" + name + "'", "data.csv.caption_columns must be a number from 1 to 2"});
  }
}

TEST(CsvConfig, ChecksTheSeparator) {
  EXPECT_EQ(CsvConfig{}.separator_character(), std::nullopt);
  EXPECT_EQ(CsvConfig{.separator = "\\t"}.separator_character(), '\t');
  for (const std::string separator : {"", "::", "\""}) {
    testing::expect_user_error([&] { CsvConfig{.separator = separator}.validate(); },
                               {"data.csv.separator is '"});
  }
}

TEST(CsvTable, NamesTheLineWhereAQuoteSwallowsRows) {
  const TempDir folder;
  const auto log_of = [&](const std::string& content) {
    const auto path = write_text(folder / "t.tsv", content);
    set_log_level(LogLevel::warning);
    ::testing::internal::CaptureStderr();
    const CsvTable table(path, CsvConfig());
    return ::testing::internal::GetCapturedStderr();
  };
  const std::string rows = "0.jpg\ta\n1.jpg\t\"b\n2.jpg\tc\n3.jpg\td\"\n4.jpg\te\n5.jpg\t\"f\n6.jpg\tg\"\n";
  EXPECT_THAT(log_of("path\ttitle\n" + rows),
              AllOf(HasSubstr("t.tsv:3: "), HasSubstr("3 in all in 2 rows"), HasSubstr("data.csv.quoting")));
  EXPECT_EQ(log_of("path\ttitle\n0.jpg\t\"two\nlines\"\n"), "") << "a caption of two lines";
}

TEST(CsvTable, ReadsRecordsThatCrossTheBuffer) {
  const TempDir folder;
  std::string text = "a,b\n";
  Rows expected;
  while (text.size() < 3'500'000) {
    const std::size_t i = expected.size();
    std::string field(i * 7919 % 4000, 'x');
    if (i % 3 == 0) field = std::string(i % 50, '\n') + "\"" + field;  // quoted
    if (i % 500 == 499) field.append(1'500'000, '\n');
    expected.push_back({std::to_string(i), field});
    text += format_record(expected.back(), CsvDialect()) + (i % 7 == 0 ? "\r\n\n" : "\n");
  }
  const CsvTable table(write_text(folder / "t.csv", text), CsvConfig());
  EXPECT_EQ(read_rows(table), expected);
  CsvRowReader reader(table);
  for (const std::size_t row :
       {std::size_t{0}, std::size_t{1}, expected.size() - 1, std::size_t{499}, std::size_t{3}})
    EXPECT_EQ(reader.row(static_cast<std::int64_t>(row)), expected[row]) << row;
  // Line numbers, of which only some are remembered.
  std::int64_t line = 2;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(table.line(static_cast<std::int64_t>(i)), line) << i;
    line += std::ranges::count(expected[i][1], '\n') + (i % 7 == 0 ? 2 : 1);
  }
}

TEST(CsvTable, TakesLinearTimeForManyLineBreaks) {
  const TempDir folder;
  constexpr int kRows = 100'000;
  std::string text = "a,b\n";
  for (int i = 0; i < kRows; ++i) text += "1,\"\n\n\n\n\"\n";
  const CsvTable table(write_text(folder / "t.csv", text), CsvConfig());
  ASSERT_EQ(table.num_rows(), kRows);
  const Timer timer;
  for (int i = 0; i < kRows; i += 10) EXPECT_EQ(table.line(i), 2 + 5 * i);
  EXPECT_LT(timer.seconds(), 5) << "a hundred times the work of the rows in between, not of the whole file";
}

TEST(CsvTable, CountsRowsWithNulBytes) {
  const TempDir folder;
  const CsvTable table(write_text(folder / "t.csv", std::string("a,b\n1,x\n2,y\0\n3,z\n", 17)), CsvConfig());
  ASSERT_EQ(table.num_rows(), 3);
  EXPECT_EQ(table.line(1), 3);
  try {
    table.row(1);
    ADD_FAILURE();
  } catch (const BadSample& bad) {
    EXPECT_EQ(bad.kind(), BadKind::malformed_row);
    EXPECT_THAT(bad.what(), HasSubstr("byte 4 of the row is NUL (\\0)"));
  }
  EXPECT_EQ(table.row(2), (std::vector<std::string>{"3", "z"}));
}

TEST(CsvTable, NamesLineEndsOfCarriageReturnsAlone) {
  const TempDir folder;
  const auto path = write_text(folder / "t.csv", "a,b\r1,2\r3,4\r");
  testing::expect_user_error([&] { CsvTable(path, CsvConfig()); },
                             {"carriage returns alone", "tr '\\r' '\\n' < '"});
}

TEST(CsvTable, RejectsEndlessRows) {
  const TempDir folder;
  const auto path = write_text(folder / "t.csv", "a,b\n1,2\n3," + std::string((64 << 20) + 10, 'x') + "\n");
  testing::expect_user_error([&] { CsvTable(path, CsvConfig()); },
                             {"t.csv:3: this row has more than 64.0 MiB"});
}

}  // namespace
}  // namespace cloob
