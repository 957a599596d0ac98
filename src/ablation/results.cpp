#include "cloob/ablation/results.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "cloob/base/error.h"
#include "cloob/base/json.h"
#include "cloob/base/text.h"
#include "cloob/report/csv.h"

namespace cloob {
namespace {

using Json = nlohmann::ordered_json;

std::string csv_number(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  return shortest(number);
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::vector<std::string> quoted;
  for (const std::string& field : fields) quoted.push_back(csv_field(field));
  return join(quoted, ",") + "\n";
}

std::optional<double> metric_of(const RunResult& result, const std::string& name) {
  const auto found = std::ranges::find(result.metrics, name, &NamedNumbers::value_type::first);
  return found == result.metrics.end() ? std::nullopt : std::optional(found->second);
}

std::optional<double> score_of(const RunResult& result, const std::string& metric) {
  const auto score = metric_of(result, metric);
  if (result.status != RunStatus::done || !score || !std::isfinite(*score)) return std::nullopt;
  return score;
}

bool is_better(double score, double than, Direction direction) {
  return direction == Direction::max ? score > than : score < than;
}

std::optional<std::string> best_of(const std::vector<TrialScore>& trials, Direction direction) {
  const TrialScore* best = nullptr;
  for (const TrialScore& trial : trials) {
    if (trial.score && (best == nullptr || is_better(*trial.score, *best->score, direction))) best = &trial;
  }
  return best == nullptr ? std::nullopt : std::optional(best->run);
}

Json settings_json(const std::map<std::string, std::string>& settings) {
  Json json = Json::object();
  for (const auto& [name, value] : settings) json[name] = value;
  return json;
}

Json score_json(const std::optional<double>& score) { return score ? Json(*score) : Json(nullptr); }

std::map<std::string, std::string> settings_in(const Json& json) {
  std::map<std::string, std::string> settings;
  for (const auto& [name, value] : json.items()) settings[name] = value.get<std::string>();
  return settings;
}

std::optional<double> score_in(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<double>());
}

AxisValues values_in(const Json& json) {
  AxisValues values;
  for (const auto& [axis, value] : json.items()) values.emplace_back(axis, value.get<std::string>());
  return values;
}

}  // namespace

std::string results_csv(const SweepPlan& plan, const std::vector<RunResult>& results) {
  std::set<std::string> metrics;
  for (const RunResult& result : results) {
    for (const auto& [name, value] : result.metrics) metrics.insert(name);
  }
  std::vector<std::string> columns = {"run", "kind"};
  for (const Axis& axis : plan.sweep.axes) columns.push_back(axis.name);
  columns.insert(columns.end(), {"seed", "trial", "status", "steps", "samples_s"});
  columns.insert(columns.end(), metrics.begin(), metrics.end());
  std::string csv = csv_line(columns);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const PlannedRun& run = plan.runs[i].run;
    const RunResult& result = results[i];
    std::vector<std::string> row = {run.name, std::string(enum_name(run.kind))};
    for (const auto& [axis, value] : run.values) row.push_back(value);
    row.push_back(std::to_string(run.seed));
    row.push_back(run.trial ? std::to_string(*run.trial) : "");
    row.emplace_back(status_name(result.status));
    row.push_back(std::to_string(result.steps));
    row.push_back(result.samples_per_second ? csv_number(*result.samples_per_second) : "");
    for (const std::string& name : metrics) {
      const auto value = metric_of(result, name);
      row.push_back(value ? csv_number(*value) : "");
    }
    csv += csv_line(row);
  }
  return csv;
}

std::vector<Choice> choose(const SweepPlan& plan, const std::vector<RunResult>& results,
                           const std::map<std::string, Choice>& chosen_before) {
  std::vector<Choice> choices;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const ResolvedRun& resolved = plan.runs[i];
    if (resolved.run.kind != RunKind::trial) continue;
    if (choices.empty() || choices.back().values != resolved.run.values)
      choices.push_back({.values = resolved.run.values, .trials = {}, .chosen = {}});
    choices.back().trials.push_back({.run = resolved.run.name,
                                     .settings = values_of(resolved.run.searched, resolved.config),
                                     .score = score_of(results[i], plan.sweep.config.search.metric)});
  }
  for (Choice& choice : choices) {
    const auto before = chosen_before.find(variant_name(choice.values));
    if (before != chosen_before.end()) {
      choice = before->second;
    } else {
      CLOOB_CHECK(plan.sweep.config.search.direction, "a search without a direction");
      choice.chosen = best_of(choice.trials, *plan.sweep.config.search.direction);
    }
  }
  return choices;
}

std::string choices_json(const std::vector<Choice>& choices) {
  Json variants = Json::array();
  for (const Choice& choice : choices) {
    Json values = Json::object();
    for (const auto& [axis, value] : choice.values) values[axis] = value;
    Json trials = Json::array(), settings = Json::object();
    for (const TrialScore& trial : choice.trials) {
      trials.push_back({{"run", trial.run},
                        {"settings", settings_json(trial.settings)},
                        {"score", score_json(trial.score)}});
      if (trial.run == choice.chosen) settings = settings_json(trial.settings);
    }
    variants.push_back({{"values", values},
                        {"chosen", choice.chosen ? Json(*choice.chosen) : Json(nullptr)},
                        {"settings", settings},
                        {"trials", trials}});
  }
  return Json{{"variants", variants}}.dump(1) + "\n";
}

std::map<std::string, Choice> read_choices(const std::string& text, const std::string& file) {
  std::map<std::string, Choice> chosen;
  try {
    const Json json = parse_json<Json>(text);
    for (const Json& variant : json.at("variants")) {
      if (variant.at("chosen").is_null()) continue;
      Choice choice{.values = values_in(variant.at("values")),
                    .trials = {},
                    .chosen = variant.at("chosen").get<std::string>()};
      for (const Json& trial : variant.at("trials"))
        choice.trials.push_back({.run = trial.at("run").get<std::string>(),
                                 .settings = settings_in(trial.at("settings")),
                                 .score = score_in(trial.at("score"))});
      chosen[variant_name(choice.values)] = std::move(choice);
    }
  } catch (const JsonError& error) {
    throw_user_error("'{}' {}", file, error.what());
  } catch (const Json::exception&) {
    throw_user_error("'{}' does not hold the choices of a sweep", file);
  }
  return chosen;
}

}  // namespace cloob
