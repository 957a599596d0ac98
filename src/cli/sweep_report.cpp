#include "cli/sweep_report.h"

#include <fmt/core.h>

#include <cmath>
#include <system_error>
#include <utility>

#include "cli/compared_runs.h"
#include "cli/episode_drawings.h"
#include "cloob/base/named_path.h"
#include "cloob/config/config.h"
#include "cloob/report/sweep.h"
#include "cloob/run/judged_data.h"

namespace cloob {
namespace {

// Of the folder of the run, or else, if that is not there yet or any more, what the sweep gave it.
void add_settings(SweepRun& run, const std::optional<SweepSearch>& search) {
  std::error_code ignored;
  std::filesystem::path file = run.folder / "config.yaml";
  if (!std::filesystem::exists(file, ignored)) file = run.folder.string() + ".yaml";
  const auto config = read_settings_file(file, run.name);
  if (!config) return;
  run.config = setting_values(*config);
  if (search) run.judged_on = judged_data(*config, search->metric);
}

SweepResults read_all_sweeps(const std::vector<std::string>& folders) {
  std::vector<SweepResults> sweeps;
  for (const std::string& argument : folders) {
    // NAME=FOLDER, or a folder whose own name the plan knows better.
    const auto [name, folder] = named_path(argument);
    sweeps.push_back(read_sweep_results(folder));
    if (folder.size() < argument.size()) sweeps.back().name = name;
    for (SweepRun& run : sweeps.back().runs) add_settings(run, sweeps.back().search);
  }
  return join_sweeps(std::move(sweeps));
}

nlohmann::ordered_json json_or_null(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json json_of_test(const PairedTest& test, double holm_p) {
  return {{"pairs", test.count},
          {"difference", json_or_null(test.mean)},
          {"low_95", json_or_null(test.low)},
          {"high_95", json_or_null(test.high)},
          {"p_t", json_or_null(test.p)},
          {"p_t_holm", json_or_null(holm_p)},
          {"p_sign", json_or_null(test.sign_p)}};
}

nlohmann::ordered_json json_of_reaching(const Reaching& reaching) {
  nlohmann::ordered_json json = {{"value", json_or_null(reaching.target)},
                                 {"is_reached", reaching.own.has_value()}};
  if (!reaching.own) return json;
  json["samples"] = reaching.own->samples;
  json["seconds"] = reaching.own->seconds;
  json["samples_ratio"] = json_or_null(reaching.samples_ratio());
  json["seconds_ratio"] = json_or_null(reaching.seconds_ratio());
  return json;
}

nlohmann::ordered_json sweep_results(const SweepComparison& comparison,
                                     const std::vector<std::string>& verdict) {
  nlohmann::ordered_json results = {
      {"verdict", verdict},
      {"compared", comparison.axis},
      {"baseline", comparison.values.empty() ? "" : comparison.values[comparison.baseline]},
      {"metric", comparison.main_metric},
      {"metrics", nlohmann::ordered_json::object()}};
  for (const MetricResult& metric : comparison.metrics) {
    for (const SystemResult& result : metric.systems) {
      auto& entry = results["metrics"][metric.metric][comparison.label_of(comparison.systems[result.system])];
      entry = {{"seeds", result.summary.count},
               {"mean", json_or_null(result.summary.mean)},
               {"standard_deviation", json_or_null(result.summary.deviation)}};
      if (result.test) entry["test"] = json_of_test(*result.test, result.holm_p);
    }
    for (const BlockResult& result : metric.over_blocks) {
      results["over_blocks"][metric.metric][comparison.values[result.value]] = {
          {"blocks", result.test.count},
          {"difference", json_or_null(result.test.mean)},
          {"higher", result.test.num_positive},
          {"lower", result.test.num_negative},
          {"p_sign", json_or_null(result.test.sign_p)},
          {"p_sign_holm", json_or_null(result.holm_sign_p)}};
    }
  }
  for (const SystemReaching& reaching : comparison.reaching) {
    auto& entry = results["reaching_the_baseline"][comparison.label_of(comparison.systems[reaching.system])];
    entry = json_of_reaching(reaching.mean);
    for (const Reaching& of_seed : reaching.by_seed)
      entry["by_seed"][fmt::format("{}", of_seed.seed)] = json_of_reaching(of_seed);
  }
  return results;
}

// Of the first run of each system that has them.
void add_episodes_of_sweep(const SweepComparison& comparison, HtmlReport& page) {
  for (const SweepSystem& system : comparison.systems) {
    for (const SweepRun* run : system.runs) {
      if (add_episodes(fmt::format("{}, seed {}", comparison.label_of(system), run->seed), run->folder, page))
        break;
    }
  }
}

// The run of the first seed, if it has a checkpoint.
const SweepRun* run_to_show(const SweepSystem& system) {
  std::error_code ignored;
  for (const SweepRun* run : system.runs) {
    if (std::filesystem::exists(run->folder / "checkpoints", ignored)) return run;
  }
  return nullptr;
}

void add_sheets_of_sweep(const SweepComparison& comparison, const SheetOptions& options, HtmlReport& page,
                         std::vector<std::string>& problems) {
  for (std::size_t block = 0; block < comparison.blocks.size(); ++block) {
    std::vector<SheetSystem> systems;
    for (const SweepSystem& system : comparison.systems) {
      if (system.block != block) continue;
      if (const SweepRun* const run = run_to_show(system)) {
        systems.push_back(
            {fmt::format("{}, seed {}", comparison.values[system.value], run->seed), run->folder});
      } else {
        problems.push_back(
            fmt::format("{} has no checkpoint to show retrievals of.", comparison.label_of(system)));
      }
    }
    const std::string& label = comparison.blocks[block];
    RetrievalSheets made = make_retrieval_sheets(
        label.empty() ? "Retrievals" : fmt::format("Retrievals, {}", label), systems, options);
    for (ReportSheet& sheet : made.sheets) page.sheets.push_back(std::move(sheet));
    for (std::string& problem : made.problems) problems.push_back(std::move(problem));
  }
}

}  // namespace

SweepPage make_sweep_page(const std::vector<std::string>& folders, const SweepOptions& options,
                          const std::optional<SheetOptions>& sheet_options) {
  const SweepResults sweep = read_all_sweeps(folders);
  const SweepComparison comparison = compare_sweep(sweep, options);
  const std::vector<std::string> verdict = sweep_verdict(sweep, comparison);
  SweepPage page{.html = {.title = "Sweep " + sweep.name,
                          .summary = "",
                          .verdict = verdict,
                          .tables = sweep_tables(sweep, comparison),
                          .charts = sweep_charts(comparison),
                          .pictures = {}},
                 .csv = sweep_csv(sweep, comparison),
                 .results = sweep_results(comparison, verdict)};
  std::vector<std::string> problems = sweep_problems(sweep, comparison);
  add_episodes_of_sweep(comparison, page.html);
  if (sheet_options) add_sheets_of_sweep(comparison, *sheet_options, page.html, problems);
  ReportNotes notes{.title = "To be aware of", .notes = {}};
  for (std::string& problem : problems)
    notes.notes.push_back({.headline = "", .lines = {std::move(problem)}});
  if (!notes.notes.empty()) page.html.notes.push_back(std::move(notes));
  return page;
}

}  // namespace cloob
