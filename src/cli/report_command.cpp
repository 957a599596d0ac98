// cloob report

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "cli/commands.h"
#include "cli/compared_runs.h"
#include "cli/print_table.h"
#include "cli/run_comparison.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/report/html_report.h"
#include "cloob/report/metrics.h"

namespace cloob {
namespace {

struct ReportArguments {
  std::vector<std::string> runs;
  std::string title = "Comparison of runs";
  std::string summary;
  std::string table_title = "Zero-shot classification";
  std::string out = ".";
};

constexpr const char* kWrittenBy = "cloob report";

// Only an earlier report may be replaced, which its results.json identifies.
void require_replaceable(const std::filesystem::path& folder) {
  const auto results = folder / "results.json", page = folder / "index.html";
  std::error_code ignored;
  if (std::filesystem::exists(results, ignored)) {
    try {
      const auto earlier = parse_json(read_file(results));
      const bool is_current = earlier.is_object() && earlier.value("written_by", "") == kWrittenBy;
      const bool is_old = earlier.is_object() && earlier.contains("chance") && earlier.contains("num_images");
      if (is_current || is_old) return;
    } catch (const JsonError&) {  // not a report
    }
  }
  for (const auto& file : {results, page}) {
    if (!std::filesystem::exists(file, ignored)) continue;
    throw_user_error("'{}' was not written by cloob report: choose another folder with --out", file.string());
  }
}

// By name; NaN becomes null.
nlohmann::ordered_json last_metrics(const ComparedRun& run) {
  nlohmann::ordered_json metrics = nlohmann::ordered_json::object();
  for (const auto& records : {run.records, run.evaluations}) {
    for (const MetricsRecord& record : records) {
      for (const auto& [name, value] : record.metrics) metrics[name] = value;
    }
  }
  return metrics;
}

nlohmann::ordered_json results_of(const std::vector<ComparedRun>& runs) {
  nlohmann::ordered_json results = {{"written_by", kWrittenBy}};
  for (const ComparedRun& run : runs) {
    if (run.zero_shot.is_null() || results.contains("chance")) continue;
    results["chance"] = 1.0 / run.zero_shot["num_classes"].get<double>();
    results["num_images"] = run.zero_shot["num_samples"];
  }
  for (const ComparedRun& run : runs) {
    results[run.name] = run.zero_shot.is_null() ? nlohmann::json::object() : run.zero_shot;
    results[run.name]["last_metrics"] = last_metrics(run);
  }
  return results;
}

int report(const ReportArguments& arguments) {
  std::vector<ComparedRun> runs;
  for (const std::string& argument : arguments.runs) runs.push_back(read_compared_run(argument));
  require_comparable(runs);
  const std::filesystem::path out = arguments.out;
  require_replaceable(out);
  std::vector<ReportTable> tables;
  if (auto table = zero_shot_table(arguments.table_title, runs)) tables.push_back(std::move(*table));
  tables.push_back(last_evaluations(runs));
  make_directories(out);
  write_file_atomically(out / "results.json", results_of(runs).dump(2) + "\n");

  HtmlReport page{.title = arguments.title,
                  .summary = arguments.summary,
                  .tables = tables,
                  .charts = comparison_charts(runs),
                  .pictures = {}};
  if (auto settings = different_settings(runs)) page.tables.push_back(std::move(*settings));
  const auto first_batch = runs.front().folder / "first_batch.png";
  if (std::filesystem::exists(first_batch)) {
    page.pictures.push_back(
        {"Training data", "Images and captions of the first batch.", read_file(first_batch)});
  }
  write_html_report(out / "index.html", page);
  for (const ReportTable& table : tables) {
    print_table(table);
    fmt::print("\n");
  }
  log_info("report", "{} and {} written", (out / "results.json").string(), (out / "index.html").string());
  return 0;
}

}  // namespace

void add_report_command(CLI::App& app, Action& action) {
  CLI::App* const command =
      app.add_subcommand("report", "Compare trained and evaluated runs: table, JSON and HTML page");
  const auto arguments = std::make_shared<ReportArguments>();
  command
      ->add_option("runs", arguments->runs,
                   "Folder of each run, or NAME=FOLDER; zero_shot.json in it is shown, too")
      ->required();
  command->add_option("--title", arguments->title, "Title of the page")->capture_default_str();
  command->add_option("--summary", arguments->summary, "Sentence below the title");
  command->add_option("--table-title", arguments->table_title, "Title of the table")->capture_default_str();
  command->add_option("--out", arguments->out, "Folder for results.json and index.html")
      ->capture_default_str();
  command->callback([arguments, &action] { action = [arguments] { return report(*arguments); }; });
}

}  // namespace cloob
