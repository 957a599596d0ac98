#include "support/sweep_folder.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <set>

#include "cloob/base/files.h"
#include "cloob/base/text.h"

namespace cloob::testing {
namespace {

using Json = nlohmann::ordered_json;

Json values_json(const SweepFolder& sweep, const SweepFolderRun& run) {
  Json values = Json::object();
  for (std::size_t i = 0; i < sweep.axes.size(); ++i) values[sweep.axes[i].first] = run.values[i];
  return values;
}

std::string plan_of(const SweepFolder& sweep) {
  Json plan = {{"format", 1}, {"name", "tiny"}, {"base", "configs/run/tiny.yaml"}, {"axes", Json::array()}};
  for (const auto& [name, values] : sweep.axes) plan["axes"].push_back({{"name", name}, {"values", values}});
  plan["seeds"] = sweep.seeds;
  plan["search"] = Json::parse(sweep.search);
  plan["threads"] = 1;
  plan["precision"] = "fp32";
  plan["runs"] = Json::array();
  for (const SweepFolderRun& run : sweep.runs) {
    const std::string name = run_name(sweep, run);
    plan["runs"].push_back({{"name", name},
                            {"folder", "runs/" + name},
                            {"kind", "final"},
                            {"values", values_json(sweep, run)},
                            {"seed", run.seed},
                            {"trial", nullptr},
                            {"settings", {{"loss.kind", run.values.front()}}}});
  }
  return plan.dump(1);
}

std::string quoted_cell(const std::string& text) {
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + "\"";
}

std::string results_of(const SweepFolder& sweep) {
  std::set<std::string> metrics;
  for (const SweepFolderRun& run : sweep.runs) {
    for (const auto& [name, value] : run.metrics) metrics.insert(name);
  }
  std::string csv = "run,kind";
  for (const auto& [name, values] : sweep.axes) csv += fmt::format(",{}", quoted_cell(name));
  csv += ",seed,trial,status,steps,samples_s";
  for (const std::string& name : metrics) csv += fmt::format(",{}", quoted_cell(name));
  csv += "\n";
  for (const SweepFolderRun& run : sweep.runs) {
    csv += fmt::format("{},final", quoted_cell(run_name(sweep, run)));
    for (const std::string& value : run.values) csv += fmt::format(",{}", quoted_cell(value));
    csv += fmt::format(",{},,{},20,1000.5", run.seed, run.status);
    for (const std::string& name : metrics) {
      const auto found = run.metrics.find(name);
      csv += fmt::format(",{}", found == run.metrics.end() ? "" : found->second);
    }
    csv += "\n";
  }
  return csv;
}

void write_run_folder(const std::filesystem::path& folder, const SweepFolderRun& run) {
  make_directories(folder);
  std::string metrics, evaluations;
  for (const int step : {10, 20}) {
    const std::string place = fmt::format(
        "{{\"step\": {}, \"epoch\": 1, \"samples_seen\": {}, \"time_s\": {}", step, step * 24, step * 0.5);
    metrics += fmt::format("{}, \"train/loss\": {}}}\n", place,
                           3.0 - 0.05 * step + 0.1 * static_cast<double>(run.seed));
    evaluations +=
        place + ", \"evaluation\": \"pairs\", \"num_images\": 100, \"num_texts\": 100, \"chance_loss\": 4";
    for (const auto& [name, cell] : run.metrics) {
      const auto value = parse_double(cell);
      if (name.starts_with("val/"))
        evaluations += fmt::format(", {}: {}", Json(name.substr(4)).dump(),
                                   value ? fmt::format("{}", *value * step / 20) : "null");
    }
    evaluations += "}\n";
  }
  write_file_atomically(folder / "metrics.jsonl", metrics);
  write_file_atomically(folder / "evaluations.jsonl", evaluations);
}

}  // namespace

std::string run_name(const SweepFolder& sweep, const SweepFolderRun& run) {
  std::string name = sweep.run_name_prefix;
  for (std::size_t i = 0; i < sweep.axes.size(); ++i)
    name += fmt::format("{}={},", sweep.axes[i].first, run.values[i]);
  return fmt::format("{}seed={}", name, run.seed);
}

void write_sweep_folder(const std::filesystem::path& folder, const SweepFolder& sweep) {
  make_directories(folder / "runs");
  write_file_atomically(folder / "plan.json", plan_of(sweep));
  write_file_atomically(folder / "results.csv", results_of(sweep));
  if (!sweep.choices.empty()) write_file_atomically(folder / "choices.json", sweep.choices);
  for (const SweepFolderRun& run : sweep.runs) {
    if (sweep.has_run_folders && run.status != "waiting")
      write_run_folder(folder / "runs" / run_name(sweep, run), run);
  }
}

}  // namespace cloob::testing
