#include "cloob/report/sweep.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/report/csv.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

bool file_exists(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

Json read_json_file(const fs::path& file) {
  try {
    return parse_python_json<Json>(read_file(file));
  } catch (const JsonError& error) {
    throw_user_error("'{}' {}", file.string(), error.what());
  }
}

// A value of an axis or a setting: words as they are, numbers as JSON writes them.
std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::map<std::string, std::string> settings_of(const Json& object) {
  std::map<std::string, std::string> settings;
  const auto found = object.find("settings");
  if (found == object.end() || found->is_null()) return settings;
  for (const auto& [name, value] : found->get_ref<const Json::object_t&>()) settings[name] = text_of(value);
  return settings;
}

std::vector<std::string> values_of(const Json& object, const std::vector<SweepAxis>& axes) {
  const Json& all = object.at("values");
  std::vector<std::string> values;
  for (const SweepAxis& axis : axes) {
    const auto found = all.find(axis.name);
    values.push_back(found == all.end() || found->is_null() ? "" : text_of(*found));
  }
  return values;
}

std::string text_if_set(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? "" : text_of(*found);
}

SweepRun run_of(const Json& json, const SweepResults& sweep) {
  SweepRun run{.name = json.at("name").get<std::string>()};
  const fs::path folder = json.value("folder", "runs/" + run.name);
  if (folder.is_absolute() || std::ranges::find(folder, fs::path("..")) != folder.end())
    throw_user_error("'{}': the folder of run '{}' is not below that of the sweep",
                     (sweep.folder / "plan.json").string(), run.name);
  run.folder = sweep.folder / folder;
  run.is_trial = json.value("kind", "final") == "trial";
  run.values = values_of(json, sweep.axes);
  run.seed = json.at("seed").get<std::int64_t>();
  run.settings = settings_of(json);
  return run;
}

void read_plan(SweepResults& sweep) {
  const fs::path file = sweep.folder / "plan.json";
  const Json plan = read_json_file(file);
  try {
    if (const auto format = plan.at("format").get<std::int64_t>(); format != 1)
      throw_user_error("'{}' has format {}, this program reads format 1: use the program that wrote it",
                       file.string(), format);
    const std::string folder_name = fs::weakly_canonical(sweep.folder).filename().string();
    sweep.name = plan.value("name", folder_name);
    sweep.base = text_if_set(plan, "base");
    sweep.threads = text_if_set(plan, "threads");
    sweep.precision = text_if_set(plan, "precision");
    sweep.device = text_if_set(plan, "device");
    for (const Json& axis : plan.at("axes")) {
      sweep.axes.push_back({axis.at("name").get<std::string>(), {}});
      for (const Json& value : axis.at("values")) sweep.axes.back().values.push_back(text_of(value));
    }
    for (const Json& seed : plan.at("seeds")) sweep.seeds.push_back(seed.get<std::int64_t>());
    if (const auto search = plan.find("search"); search != plan.end() && !search->is_null()) {
      sweep.search = {search->at("metric").get<std::string>(),
                      search->value("direction", "max") == "min" ? Better::lower : Better::higher,
                      search->value("trials", std::int64_t{0})};
    }
    for (const Json& run : plan.at("runs")) sweep.runs.push_back(run_of(run, sweep));
    if (sweep.axes.empty()) {
      sweep.axes.push_back({"variant", {sweep.name}});
      for (SweepRun& run : sweep.runs) run.values = {sweep.name};
    }
  } catch (const nlohmann::json::exception& error) {
    throw_user_error("'{}' is not the plan of a sweep: {}", file.string(), error.what());
  }
}

void read_choices(SweepResults& sweep) {
  const fs::path file = sweep.folder / "choices.json";
  if (!file_exists(file)) return;
  const Json choices = read_json_file(file);
  try {
    for (const Json& variant : choices.at("variants")) {
      SweepChoice choice{.values = values_of(variant, sweep.axes),
                         .chosen = text_if_set(variant, "chosen"),
                         .settings = settings_of(variant),
                         .trials = {}};
      for (const Json& trial : variant.at("trials")) {
        const auto score = trial.find("score");
        choice.trials.push_back({trial.at("run").get<std::string>(), settings_of(trial),
                                 score != trial.end() && score->is_number()
                                     ? std::optional(score->get<double>())
                                     : std::nullopt});
      }
      sweep.choices.push_back(std::move(choice));
    }
  } catch (const nlohmann::json::exception& error) {
    throw_user_error("'{}' does not say what the trials of a sweep chose: {}", file.string(), error.what());
  }
}

bool is_position(const std::string& column, const SweepResults& sweep) {
  for (const char* name : {"run", "kind", "seed", "trial", "status", "steps", "samples_s"}) {
    if (column == name) return true;
  }
  return std::ranges::any_of(sweep.axes, [&](const SweepAxis& axis) { return axis.name == column; });
}

void read_cell(SweepRun& run, const std::string& column, const std::string& cell, const fs::path& file) {
  if (cell.empty()) return;
  const auto number = cell == "null" ? std::optional(std::nan("")) : parse_double(to_lower_ascii(cell));
  if (!number) {
    throw_user_error("'{}': run '{}' has '{}' in column '{}', which is not a number", file.string(), run.name,
                     cell, column);
  }
  run.metrics[column] = *number;
}

void read_results(SweepResults& sweep) {
  const fs::path file = sweep.folder / "results.csv";
  if (!file_exists(file)) return;
  const auto rows = read_csv_records(file);
  if (rows.empty()) return;
  const std::vector<std::string>& header = rows.front();
  const auto column_of = [&](const std::string& name) {
    const auto found = std::ranges::find(header, name);
    if (found == header.end()) throw_user_error("'{}' has no column '{}'", file.string(), name);
    return static_cast<std::size_t>(found - header.begin());
  };
  const std::size_t name = column_of("run"), status = column_of("status"), steps = column_of("steps"),
                    speed = column_of("samples_s");
  for (std::size_t row = 1; row < rows.size(); ++row) {
    const auto run = std::ranges::find(sweep.runs, rows[row][name], &SweepRun::name);
    if (run == sweep.runs.end()) {
      log_warning("report", "'{}' has a run '{}' that the plan does not have: it is left out", file.string(),
                  rows[row][name]);
      continue;
    }
    run->status = rows[row][status].empty() ? "waiting" : rows[row][status];
    run->steps = parse_integer(rows[row][steps]);
    run->samples_per_second = parse_double(rows[row][speed]);
    for (std::size_t column = 0; column < header.size(); ++column) {
      if (!is_position(header[column], sweep)) read_cell(*run, header[column], rows[row][column], file);
    }
  }
}

void read_run_files(SweepRun& run) {
  if (!file_exists(metrics_path(run.folder))) return;
  try {
    run.records = read_metrics(metrics_path(run.folder));
    run.evaluations = read_evaluations(run.folder, run.records);
  } catch (const UserError& error) {
    run.problem = error.what();
    return;
  }
  if (!run.metrics.empty()) return;
  for (const MetricsRecord& record : run.evaluations) {
    for (const auto& [name, value] : record.metrics) {
      if (name.starts_with("val/")) run.metrics[name] = value;
    }
  }
}

std::optional<double> last_in(const std::vector<MetricsRecord>& records, const std::string& metric) {
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    for (const auto& [name, value] : record->metrics) {
      if (name == metric) return value;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<double> SweepRun::last_value(const std::string& metric) const {
  if (const auto found = metrics.find(metric); found != metrics.end()) return found->second;
  const auto evaluated = last_in(evaluations, metric);
  return evaluated ? evaluated : last_in(records, metric);
}

std::string SweepRun::setting(const std::string& setting_name) const {
  for (const auto* known : {&config, &settings}) {
    if (const auto found = known->find(setting_name); found != known->end()) return found->second;
  }
  return "";
}

std::vector<const SweepRun*> SweepResults::finals() const {
  std::vector<const SweepRun*> all;
  for (const SweepRun& run : runs) {
    if (!run.is_trial) all.push_back(&run);
  }
  return all;
}

bool is_sweep(const fs::path& folder) { return file_exists(folder / "plan.json"); }

SweepResults read_sweep_results(const fs::path& folder) {
  SweepResults sweep{.folder = folder};
  read_plan(sweep);
  read_choices(sweep);
  read_results(sweep);
  for (SweepRun& run : sweep.runs) read_run_files(run);
  return sweep;
}

SweepResults join_sweeps(std::vector<SweepResults> sweeps) {
  CLOOB_CHECK(!sweeps.empty(), "no sweep");
  if (sweeps.size() == 1) return std::move(sweeps.front());
  SweepResults joined = sweeps.front();
  SweepAxis axis{"sweep", {}};
  for (std::vector<SweepResults>::iterator sweep = sweeps.begin() + 1; sweep != sweeps.end(); ++sweep) {
    const auto names = [](const SweepResults& of) {
      std::vector<std::string> all;
      for (const SweepAxis& each : of.axes) all.push_back(each.name);
      return all;
    };
    if (names(*sweep) != names(joined)) {
      throw_user_error("'{}' and '{}' do not have the same axes ({} and {}): report them one by one",
                       joined.folder.string(), sweep->folder.string(), join(names(joined), ", "),
                       join(names(*sweep), ", "));
    }
  }
  joined.runs.clear();
  joined.choices.clear();
  joined.name.clear();
  for (SweepResults& sweep : sweeps) {
    std::string name = sweep.name;
    for (int number = 2; std::ranges::find(axis.values, name) != axis.values.end(); ++number)
      name = fmt::format("{} ({})", sweep.name, number);
    axis.values.push_back(name);
    joined.name += (joined.name.empty() ? "" : ", ") + name;
    for (std::size_t i = 0; i < joined.axes.size(); ++i) {
      for (const std::string& value : sweep.axes[i].values) {
        auto& values = joined.axes[i].values;
        if (std::ranges::find(values, value) == values.end()) values.push_back(value);
      }
    }
    for (const std::int64_t seed : sweep.seeds) {
      if (std::ranges::find(joined.seeds, seed) == joined.seeds.end()) joined.seeds.push_back(seed);
    }
    for (SweepRun& run : sweep.runs) {
      run.values.push_back(name);
      run.name = name + ": " + run.name;
      joined.runs.push_back(std::move(run));
    }
    for (SweepChoice& choice : sweep.choices) {
      choice.values.push_back(name);
      if (!choice.chosen.empty()) choice.chosen = name + ": " + choice.chosen;
      joined.choices.push_back(std::move(choice));
    }
    const auto keep_if_equal = [](std::string& value, const std::string& other) {
      if (value != other) value = "not the same in all sweeps";
    };
    keep_if_equal(joined.base, sweep.base);
    keep_if_equal(joined.threads, sweep.threads);
    keep_if_equal(joined.precision, sweep.precision);
    keep_if_equal(joined.device, sweep.device);
    const bool is_same_search = sweep.search && joined.search &&
                                sweep.search->metric == joined.search->metric &&
                                sweep.search->better == joined.search->better;
    if (!is_same_search)
      joined.search.reset();
    else if (sweep.search->num_trials != joined.search->num_trials)
      joined.search->num_trials = 0;
  }
  joined.axes.push_back(std::move(axis));
  joined.is_joined = true;
  return joined;
}

}  // namespace cloob
