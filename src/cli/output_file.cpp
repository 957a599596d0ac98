#include "cli/output_file.h"

#include <fmt/core.h>
#include <glob.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "cloob/base/error.h"
#include "cloob/base/files.h"

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
  constexpr std::array kKept = {"config.yaml", "metrics.jsonl", "data_report.json", "first_batch.png"};
  std::error_code ignored;
  if (!fs::is_directory(place.parent_path() / "checkpoints", ignored)) return;
  if (std::find(kKept.begin(), kKept.end(), place.filename()) == kKept.end()) return;
  throw_user_error("'{}' belongs to the run in that folder: choose another name", output);
}

}  // namespace

void require_output(const std::string& output, const std::vector<std::string>& inputs) {
  if (output == "-") return;
  require_output_folder(output);
  std::error_code ignored;
  const fs::path place = fs::weakly_canonical(output, ignored);
  require_no_checkpoint_around(output, place);
  require_no_file_of_a_run(output, place);
  if (!fs::is_regular_file(place, ignored)) return;
  for (const std::string& input : inputs) {
    if (!is_file_of(place, input)) continue;
    throw_user_error("'{}' is read by this command and would be overwritten: choose another output file",
                     output);
  }
}

void add_json_option(CLI::App& command, std::string& json) {
  command.add_option("--json", json, "Output file; - is standard output")->capture_default_str();
}

void write_json_line(const std::string& output, const std::string& json) {
  if (output != "-") return write_file_atomically(output, json + "\n");
  fmt::print("{}\n", json);
}

}  // namespace cloob
