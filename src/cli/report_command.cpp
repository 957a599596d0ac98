// cloob report

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "cli/commands.h"
#include "cli/print_table.h"
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

struct ComparedRun {
  std::string name;
  std::filesystem::path folder;
  std::vector<MetricsRecord> records;
  std::vector<MetricsRecord> evaluations;
  nlohmann::json zero_shot;  // what `cloob eval zero-shot --json RUN/zero_shot.json` wrote
};

// Evaluations, with their names in metrics.jsonl, which also holds them for runs older than evaluations.jsonl.
std::vector<MetricsRecord> read_evaluations(const std::filesystem::path& folder,
                                            const std::vector<MetricsRecord>& records) {
  std::error_code ignored;
  if (!std::filesystem::exists(evaluations_path(folder), ignored)) return records;
  std::vector<MetricsRecord> evaluations = read_metrics(evaluations_path(folder));
  for (MetricsRecord& record : evaluations) {
    const auto is_name = [](const auto& word) { return word.first == "evaluation"; };
    const auto name = std::ranges::find_if(record.words, is_name);
    const bool has_own_prefix = name != record.words.end() && name->second != "pairs";
    for (auto& [metric, value] : record.metrics)
      metric = has_own_prefix ? fmt::format("val/{}_{}", name->second, metric) : "val/" + metric;
  }
  return evaluations;
}

ComparedRun read_run(const std::string& argument) {
  const std::size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw_user_error("'{}' is not NAME=RUN_FOLDER", argument);
  }
  ComparedRun run{.name = argument.substr(0, equals),
                  .folder = argument.substr(equals + 1),
                  .records = {},
                  .evaluations = {},
                  .zero_shot = {}};
  run.records = read_metrics(metrics_path(run.folder));
  run.evaluations = read_evaluations(run.folder, run.records);
  const auto file = run.folder / "zero_shot.json";
  try {
    run.zero_shot = parse_python_json(read_file(file));
  } catch (const JsonError& error) {
    throw_user_error("'{}' {}", file.string(), error.what());
  }
  for (const char* key : {"acc1", "num_samples", "num_classes"}) {
    if (!run.zero_shot.is_object() || !run.zero_shot.contains(key) || !run.zero_shot[key].is_number()) {
      throw_user_error("'{}' has no number '{}': write it with cloob eval zero-shot --json", file.string(),
                       key);
    }
  }
  return run;
}

// The names become keys of results.json, and all runs share one chance level.
void require_comparable(const std::vector<ComparedRun>& runs) {
  std::set<std::string> names = {"chance", "num_images"};
  for (const ComparedRun& run : runs) {
    if (!names.insert(run.name).second) {
      throw_user_error("'{}' is given twice or is a reserved key of results.json: choose another name",
                       run.name);
    }
    for (const char* key : {"num_samples", "num_classes"}) {
      if (run.zero_shot[key] != runs.front().zero_shot[key]) {
        throw_user_error("'{}' and '{}' were evaluated on different data: {} is {} and {}", runs.front().name,
                         run.name, key, runs.front().zero_shot[key].dump(), run.zero_shot[key].dump());
      }
    }
  }
}

double number(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<double>() : std::nan("");
}

std::string percent(double fraction) {
  return std::isnan(fraction) ? "-" : fmt::format("{:.1f} %", 100 * fraction);
}

ReportTable results_table(const std::string& title, const std::vector<ComparedRun>& runs, double chance) {
  ReportTable table{
      .title = title,
      .header = {"system", "top-1", "top-5", "mean per class", "x chance", "pairs seen", "training time"},
      .rows = {},
      .note = fmt::format("{} images, chance {}",
                          with_thousands(runs.front().zero_shot["num_samples"].get<std::int64_t>()),
                          percent(chance))};
  for (const ComparedRun& run : runs) {
    const double acc1 = number(run.zero_shot, "acc1");
    table.rows.push_back({run.name, percent(acc1), percent(number(run.zero_shot, "acc5")),
                          percent(number(run.zero_shot, "mean_per_class_recall")),
                          fmt::format("{:.1f}", acc1 / chance),
                          run.records.empty() ? "-" : with_thousands(run.records.back().samples_seen),
                          run.records.empty() ? "-" : human_seconds(run.records.back().time_s)});
  }
  return table;
}

Chart chart_of(const std::vector<ComparedRun>& runs, const std::string& title, const std::string& metric) {
  Chart chart{.title = title, .x_label = "pairs seen", .y_label = metric, .series = {}, .levels = {}};
  for (const ComparedRun& run : runs) {
    const bool is_evaluated = metric.starts_with("val/");
    ChartSeries series = metric_curve(run.name, is_evaluated ? run.evaluations : run.records, metric);
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  return chart;
}

std::vector<Chart> charts_of(const std::vector<ComparedRun>& runs) {
  std::vector<Chart> charts;
  for (const auto& [title, metric] : std::initializer_list<std::pair<const char*, const char*>>{
           {"Training loss (its scale depends on the objective)", "train/loss"},
           {"Retrieval of captions, validation", "val/image_to_text_R@1"},
           {"Retrieval of images, validation", "val/text_to_image_R@1"},
           {"Gradient norm", "train/grad_norm"},
           {"Learning rate", "train/lr"}}) {
    Chart chart = chart_of(runs, title, metric);
    if (!chart.series.empty()) charts.push_back(std::move(chart));
  }
  return charts;
}

// Only an earlier report may be replaced, which its results.json identifies.
void require_replaceable(const std::filesystem::path& folder) {
  const auto results = folder / "results.json", page = folder / "index.html";
  std::error_code ignored;
  if (std::filesystem::exists(results, ignored)) {
    try {
      const auto earlier = parse_json(read_file(results));
      if (earlier.is_object() && earlier.contains("chance") && earlier.contains("num_images")) return;
    } catch (const JsonError&) {  // not a report
    }
  }
  for (const auto& file : {results, page}) {
    if (!std::filesystem::exists(file, ignored)) continue;
    throw_user_error("'{}' was not written by cloob report: choose another folder with --out", file.string());
  }
}

int report(const ReportArguments& arguments) {
  std::vector<ComparedRun> runs;
  for (const std::string& argument : arguments.runs) runs.push_back(read_run(argument));
  require_comparable(runs);
  const std::filesystem::path out = arguments.out;
  require_replaceable(out);
  const double chance = 1.0 / number(runs.front().zero_shot, "num_classes");
  const ReportTable table = results_table(arguments.table_title, runs, chance);

  nlohmann::ordered_json results = {{"chance", chance},
                                    {"num_images", runs.front().zero_shot["num_samples"]}};
  for (const ComparedRun& run : runs) results[run.name] = run.zero_shot;
  make_directories(out);
  write_file_atomically(out / "results.json", results.dump(2) + "\n");

  HtmlReport page{.title = arguments.title,
                  .summary = arguments.summary,
                  .tables = {table},
                  .charts = charts_of(runs),
                  .pictures = {}};
  const auto first_batch = runs.front().folder / "first_batch.png";
  if (std::filesystem::exists(first_batch)) {
    page.pictures.push_back(
        {"Training data", "Images and captions of the first batch.", read_file(first_batch)});
  }
  write_html_report(out / "index.html", page);
  print_table(table);
  log_info("report", "{} and {} written", (out / "results.json").string(), (out / "index.html").string());
  return 0;
}

}  // namespace

void add_report_command(CLI::App& app, Action& action) {
  CLI::App* const command =
      app.add_subcommand("report", "Compare trained and evaluated runs: table, JSON and HTML page");
  const auto arguments = std::make_shared<ReportArguments>();
  command
      ->add_option("runs", arguments->runs, "NAME=RUN_FOLDER of each run, with zero_shot.json in the folder")
      ->required();
  command->add_option("--title", arguments->title, "Title of the page")->capture_default_str();
  command->add_option("--summary", arguments->summary, "Sentence below the title");
  command->add_option("--table-title", arguments->table_title, "Title of the table")->capture_default_str();
  command->add_option("--out", arguments->out, "Folder for results.json and index.html")
      ->capture_default_str();
  command->callback([arguments, &action] { action = [arguments] { return report(*arguments); }; });
}

}  // namespace cloob
