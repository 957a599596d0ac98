#include "cli/output_file.h"

#include <fmt/core.h>
#include <glob.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>

#include "cli/print_table.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/first_bytes.h"
#include "cloob/base/json.h"
#include "cloob/base/text.h"
#include "cloob/eval/suite/suite_result.h"
#include "cloob/search/index_format.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

// "a/{00..12}.tar::b.csv" -> "a/*.tar" "b.csv": a star matches more than the braces do, which errs on the
// safe side.
std::vector<std::string> patterns_of(const std::string& input) {
  std::vector<std::string> patterns = {""};
  int depth = 0;
  for (std::size_t i = 0; i < input.size(); ++i) {
    if (input[i] == '{' && depth++ == 0) patterns.back() += '*';
    if (depth == 0 && input.compare(i, 2, "::") == 0) {
      patterns.emplace_back();
      ++i;
    } else if (depth == 0) {
      patterns.back() += input[i];
    }
    if (input[i] == '}' && depth > 0) --depth;
  }
  return patterns;
}

bool is_file_of(const fs::path& output, const std::string& input) {
  std::error_code ignored;
  if (fs::equivalent(output, input, ignored)) return true;
  for (const std::string& pattern : patterns_of(input)) {
    glob_t found{};
    ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
    const bool is_among_them =
        std::any_of(found.gl_pathv, found.gl_pathv + found.gl_pathc,
                    [&](const char* file) { return fs::equivalent(output, file, ignored); });
    ::globfree(&found);
    if (is_among_them) return true;
  }
  return false;
}

void require_no_checkpoint_around(const std::string& output, const fs::path& place) {
  std::error_code ignored;
  for (fs::path folder = place.parent_path(); folder.has_relative_path(); folder = folder.parent_path()) {
    if (!fs::exists(folder / "state.json", ignored) || !fs::exists(folder / "weights.safetensors", ignored))
      continue;
    throw_user_error(
        "'{}' is inside the checkpoint '{}', where no other files may be written: choose another place",
        output, folder.string());
  }
}

void require_no_file_of_a_run(const std::string& output, const fs::path& place) {
  constexpr std::array kKept = {"config.yaml",      "metrics.jsonl",   "evaluations.jsonl",
                                "data_report.json", "first_batch.png", "log.txt"};
  std::error_code ignored;
  if (!fs::is_directory(place.parent_path() / "checkpoints", ignored)) return;
  if (std::find(kKept.begin(), kKept.end(), place.filename()) == kKept.end()) return;
  throw_user_error("'{}' belongs to the run in that folder: choose another name", output);
}

// By its files: the build of the step alone does not have the library that reads indexes.
void require_no_file_of_an_index(const std::string& output, const fs::path& place) {
  constexpr std::array kKept = {kIndexFile, "entries.jsonl"};
  std::error_code ignored;
  const bool is_index = std::ranges::all_of(
      kKept, [&](const char* name) { return fs::exists(place.parent_path() / name, ignored); });
  if (!is_index || std::ranges::find(kKept, place.filename()) == kKept.end()) return;
  throw_user_error("'{}' belongs to the index in that folder: choose another name", output);
}

// Empty for what a table does not show.
std::string cell_of(const nlohmann::ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return with_thousands(value.get<std::int64_t>());
  return value.is_number() ? fmt::format("{:.4g}", value.get<double>()) : "";
}

void add_column(ReportTable& table, std::size_t row, const std::string& name, const std::string& cell) {
  auto column = std::ranges::find(table.header, name);
  if (column == table.header.end()) column = table.header.insert(column, name);
  std::vector<std::string>& cells = table.rows[row];
  cells.resize(std::max(cells.size(), static_cast<std::size_t>(column - table.header.begin()) + 1));
  cells[static_cast<std::size_t>(column - table.header.begin())] = cell;
}

// A row for each number or text, or for each object.
ReportTable as_table(const nlohmann::ordered_json& result) {
  ReportTable table{.title = "", .header = {""}, .rows = {}, .note = ""};
  for (const auto& [name, value] : result.items()) {
    if (value.is_object()) {
      table.rows.push_back({name});
      for (const auto& [key, part] : value.items()) {
        if (const std::string cell = cell_of(part); !cell.empty())
          add_column(table, table.rows.size() - 1, key, cell);
      }
    } else if (const std::string cell = cell_of(value); !cell.empty()) {
      table.rows.push_back({name});
      add_column(table, table.rows.size() - 1, " ", cell);
    }
  }
  for (std::vector<std::string>& row : table.rows) row.resize(table.header.size());
  return table;
}

bool begins_with_ignoring_case(std::string_view text, std::string_view begin) {
  return to_lower_ascii(text.substr(0, begin.size())) == begin;
}

// Whether a file that begins like this may be an earlier output. An empty one may be: mktemp makes such files.
bool may_be_of_kind(OutputKind kind, std::string_view first_bytes) {
  constexpr std::size_t kHeaderSizeBytes = 8;  // before the JSON of safetensors
  if (first_bytes.empty()) return true;
  switch (kind) {
    case OutputKind::json:
      return trim(first_bytes).starts_with('{') || trim(first_bytes).starts_with('[');
    case OutputKind::html:
      return begins_with_ignoring_case(trim(first_bytes), "<!doctype html") ||
             begins_with_ignoring_case(trim(first_bytes), "<html");
    case OutputKind::png:
      return false;  // any of the user's pictures looks like an earlier output
    case OutputKind::svg:
      return first_bytes.starts_with("<svg data-program=\"cloob\"");
    case OutputKind::safetensors:
      return first_bytes.size() > kHeaderSizeBytes && first_bytes[kHeaderSizeBytes] == '{';
    case OutputKind::sentencepiece:
      // Protocol buffers: the first field is a list of pieces, each with a number of four bytes.
      return first_bytes.starts_with('\n') && first_bytes.find('\x15') != std::string_view::npos;
    case OutputKind::suite_csv:
      return first_bytes.starts_with(kSuiteCsvHeader);
  }
  return false;
}

std::string_view name_of(OutputKind kind) {
  switch (kind) {
    case OutputKind::json:
      return "JSON";
    case OutputKind::html:
      return "an HTML page";
    case OutputKind::png:
      return "empty";
    case OutputKind::svg:
      return "a drawing of this program";
    case OutputKind::safetensors:
      return "a safetensors file";
    case OutputKind::sentencepiece:
      return "a sentencepiece model";
    case OutputKind::suite_csv:
      return "the table of a suite";
  }
  return "";
}

}  // namespace

std::vector<std::string> inputs_of_sources(const std::vector<std::string>& names) {
  std::vector<std::string> inputs = names;
  for (const std::string& name : names) {
    for (const std::string& pattern : patterns_of(name)) {
      const std::string folder = (fs::path(pattern).parent_path() / "").string();
      inputs.push_back(pattern + "/*/*");  // a folder of pictures
      for (const char* beside : {"*_stats.json", "sizes.json", "cloob.index"})
        inputs.push_back(folder + beside);
    }
  }
  return inputs;
}

void require_output(const std::string& output, OutputKind kind, const std::vector<std::string>& inputs) {
  if (output.empty() || output == "-") return;
  require_output_folder(output);
  std::error_code ignored;
  const fs::path place = fs::weakly_canonical(output, ignored);
  require_no_checkpoint_around(output, place);
  require_no_file_of_a_run(output, place);
  require_no_file_of_an_index(output, place);
  if (!fs::is_regular_file(place, ignored)) return;
  for (const std::string& input : inputs) {
    if (!is_file_of(place, input)) continue;
    throw_user_error("'{}' is read by this command and would be overwritten: choose another output file",
                     output);
  }
  constexpr std::size_t kBytes = 256;
  if (!may_be_of_kind(kind, first_bytes_of(place, kBytes))) {
    throw_user_error(
        "'{}' exists and is not {}, so it is not overwritten: choose another output file, or remove it",
        output, name_of(kind));
  }
}

void add_json_option(CLI::App& command, std::string& json) {
  command.add_option("--json", json,
                     "Write JSON to this file instead of printing a table; - is standard output");
}

void write_json_line(const std::string& output, const std::string& json) {
  if (output != "-") return write_file_atomically(output, json + "\n");
  fmt::print("{}\n", json);
}

void write_result(const std::string& output, const std::string& json) {
  if (!output.empty()) return write_json_line(output, json);
  print_table(as_table(parse_json<nlohmann::ordered_json>(json)));
}

}  // namespace cloob
