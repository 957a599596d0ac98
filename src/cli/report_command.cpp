// cloob report

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/compared_runs.h"
#include "cli/enum_option.h"
#include "cli/episode_drawings.h"
#include "cli/print_table.h"
#include "cli/retrieval_sheets.h"
#include "cli/run_comparison.h"
#include "cli/sweep_report.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/named_path.h"
#include "cloob/base/text.h"
#include "cloob/device/device.h"
#include "cloob/report/csv.h"
#include "cloob/report/html_report.h"
#include "cloob/report/metrics.h"
#include "cloob/report/sweep.h"

namespace cloob {
namespace {

struct ReportArguments {
  std::vector<std::string> runs;
  std::string title;
  std::string summary;
  std::string table_title = "Zero-shot classification";
  std::string out = ".";
  std::string compare, baseline, metric;  // of sweeps
  std::int64_t retrievals = 0;
  DeviceChoice device = DeviceChoice::auto_;
  std::int64_t threads = 0;
};

constexpr const char* kWrittenBy = "cloob report";

// Only an earlier report may be replaced, which its results.json identifies.
void require_replaceable(const std::filesystem::path& folder) {
  const auto results = folder / "results.json";
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
  for (const auto& file : {results, folder / "index.html", folder / "report.md", folder / "report.csv"}) {
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

std::vector<std::string> sweeps_among(const std::vector<std::string>& arguments) {
  std::vector<std::string> sweeps;
  for (const std::string& argument : arguments) {
    if (is_sweep(named_path(argument).path)) sweeps.push_back(argument);
  }
  if (!sweeps.empty() && sweeps.size() < arguments.size()) {
    throw_user_error(
        "'{}' is the folder of a sweep, others are not: report sweeps and single runs separately",
        sweeps.front());
  }
  return sweeps;
}

std::optional<SheetOptions> sheet_options_of(const ReportArguments& arguments) {
  if (arguments.retrievals == 0) return std::nullopt;
  return SheetOptions{
      .num_queries = arguments.retrievals, .device = arguments.device, .threads = arguments.threads};
}

void write_report(const std::filesystem::path& out, const HtmlReport& page,
                  const nlohmann::ordered_json& results, const std::string& csv) {
  make_directories(out);
  // Names of runs may not be valid UTF-8. It is written first: it says who wrote the rest.
  write_file_atomically(out / "results.json",
                        results.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  write_html_report(out / "index.html", page);
  write_file_atomically(out / "report.md", render_markdown(page));
  write_file_atomically(out / "report.csv", csv);
  for (const ReportTable& table : page.tables) {
    if (table.is_folded) continue;
    print_table(table);
    fmt::print("\n");
  }
  log_info("report", "{} written, with report.md, report.csv and results.json",
           (out / "index.html").string());
}

int report_sweeps(const ReportArguments& arguments, const std::vector<std::string>& sweeps) {
  require_replaceable(arguments.out);
  SweepPage page = make_sweep_page(
      sweeps, {.compare = arguments.compare, .baseline = arguments.baseline, .metric = arguments.metric},
      sheet_options_of(arguments));
  if (!arguments.title.empty()) page.html.title = arguments.title;
  page.html.summary = arguments.summary;
  nlohmann::ordered_json results = {{"written_by", kWrittenBy}};
  results.update(page.results);
  for (const std::string& paragraph : page.html.verdict) fmt::print("{}\n\n", paragraph);
  for (const ReportNotes& notes : page.html.notes) {
    fmt::print("{}\n\n", notes.title);
    for (const ReportNotes::Note& note : notes.notes) fmt::print("- {}\n", join(note.lines, " "));
    fmt::print("\n");
  }
  write_report(arguments.out, page.html, results, page.csv);
  return 0;
}

// The last value of every metric: run, metric, value.
std::string csv_of_runs(const std::vector<ComparedRun>& runs) {
  std::string csv = "run,metric,value\n";
  for (const ComparedRun& run : runs) {
    const nlohmann::ordered_json metrics = last_metrics(run);
    for (const auto& [name, value] : metrics.items())
      csv += fmt::format("{},{},{}\n", csv_field(run.name), csv_field(name), csv_value(value.get<double>()));
  }
  return csv;
}

int report_runs(const ReportArguments& arguments) {
  for (const auto& [name, value] :
       {std::pair("--compare", &arguments.compare), std::pair("--baseline", &arguments.baseline),
        std::pair("--metric", &arguments.metric)}) {
    if (!value->empty()) throw_user_error("{} is for the folder of a sweep; these are single runs", name);
  }
  std::vector<ComparedRun> runs;
  for (const std::string& argument : arguments.runs) runs.push_back(read_compared_run(argument));
  require_comparable(runs);
  require_replaceable(arguments.out);
  std::vector<ReportTable> tables;
  if (auto table = zero_shot_table(arguments.table_title, runs)) tables.push_back(std::move(*table));
  tables.push_back(last_evaluations(runs));
  HtmlReport page{.title = arguments.title.empty() ? "Comparison of runs" : arguments.title,
                  .summary = arguments.summary,
                  .tables = tables,
                  .charts = comparison_charts(runs),
                  .pictures = {}};
  if (auto settings = different_settings(runs)) {
    settings->is_folded = settings->rows.size() > 40;
    page.tables.push_back(std::move(*settings));
  }
  if (const auto options = sheet_options_of(arguments)) {
    std::vector<SheetSystem> systems;
    for (const ComparedRun& run : runs) systems.push_back({run.name, run.folder});
    RetrievalSheets made = make_retrieval_sheets("Retrievals", systems, *options);
    page.sheets = std::move(made.sheets);
    ReportNotes notes{.title = "To be aware of", .notes = {}};
    for (std::string& problem : made.problems)
      notes.notes.push_back({.headline = "", .lines = {std::move(problem)}});
    if (!notes.notes.empty()) page.notes.push_back(std::move(notes));
  }
  for (const ComparedRun& run : runs) add_episodes(run.name, run.folder, page);
  const auto first_batch = runs.front().folder / "first_batch.png";
  if (std::filesystem::exists(first_batch)) {
    page.pictures.push_back(
        {"Training data", "Images and captions of the first batch.", read_file(first_batch)});
  }
  write_report(arguments.out, page, results_of(runs), csv_of_runs(runs));
  return 0;
}

int report(const ReportArguments& arguments) {
  const std::vector<std::string> sweeps = sweeps_among(arguments.runs);
  return sweeps.empty() ? report_runs(arguments) : report_sweeps(arguments, sweeps);
}

}  // namespace

void add_report_command(CLI::App& app, Action& action) {
  CLI::App* const command = app.add_subcommand(
      "report", "Compare sweeps or runs: verdict, tests, tables and curves as one HTML page");
  const auto arguments = std::make_shared<ReportArguments>();
  command
      ->add_option(
          "runs", arguments->runs,
          "Folder of each sweep or of each run, or NAME=FOLDER; zero_shot.json in the folder of a run is shown, too")
      ->required();
  command->add_option("--title", arguments->title, "Title of the page");
  command->add_option("--summary", arguments->summary, "Sentence below the title");
  command->add_option("--table-title", arguments->table_title, "Title of the table of zero_shot.json")
      ->capture_default_str();
  command
      ->add_option("--out", arguments->out, "Folder for index.html, report.md, report.csv and results.json")
      ->capture_default_str();
  command->add_option(
      "--compare", arguments->compare,
      "Axis of a sweep whose values are compared; each combination of the others is a block of the sign test "
      "(default: the first axis)");
  command->add_option("--baseline", arguments->baseline,
                      "Value of that axis that the others are compared with (default: the first)");
  command->add_option(
      "--metric", arguments->metric,
      "Metric of the verdict, such as val/image_to_text_R@1 (default: that of the sweep's search, or else the "
      "first recall at 10 or accuracy)");
  command
      ->add_option("--retrievals", arguments->retrievals,
                   "Show what each system finds for this many captions of data.val, with pictures")
      ->check(CLI::Range(0, 200))
      ->capture_default_str();
  add_enum_option<DeviceChoice>(*command, "--device", arguments->device, "Where to compute the retrievals");
  command->add_option("--threads", arguments->threads, "CPU threads for the retrievals; 0 means all cores")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  command->callback([arguments, &action] { action = [arguments] { return report(*arguments); }; });
}

}  // namespace cloob
