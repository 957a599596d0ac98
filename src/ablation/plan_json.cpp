#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "cloob/ablation/sweep_plan.h"
#include "cloob/base/error.h"
#include "cloob/base/json.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;

std::string precision_of_all(const SweepPlan& plan) {
  std::set<std::string_view> all;
  for (const ResolvedRun& run : plan.runs) all.insert(enum_name(*run.config.train.precision));
  return all.size() == 1 ? std::string(*all.begin()) : "various";
}

Json axes_json(const Sweep& sweep) {
  Json axes = Json::array();
  for (const Axis& axis : sweep.axes) {
    Json values = Json::array();
    for (const AxisValue& value : axis.values) values.push_back(value.name);
    axes.push_back({{"name", axis.name}, {"values", values}});
  }
  return axes;
}

Json search_json(const SweepPlan& plan) {
  if (!plan.sweep.search) return nullptr;
  std::vector<PlannedRun> runs;
  for (const ResolvedRun& run : plan.runs) runs.push_back(run.run);
  const auto& direction = plan.sweep.config.search.direction;
  return {{"metric", plan.sweep.config.search.metric},
          {"direction", direction ? Json(enum_name(*direction)) : Json(nullptr)},
          {"trials", trials_per_variant(runs)}};
}

Json map_json(const std::map<std::string, std::string>& map) {
  Json json = Json::object();
  for (const auto& [key, value] : map) json[key] = value;
  return json;
}

Json run_json(const ResolvedRun& resolved) {
  const PlannedRun& run = resolved.run;
  Json values = Json::object();
  for (const auto& [axis, value] : run.values) values[axis] = value;
  return {{"name", run.name},
          {"folder", "runs/" + run.name},
          {"kind", enum_name(run.kind)},
          {"values", values},
          {"seed", run.seed},
          {"trial", run.trial ? Json(*run.trial) : Json(nullptr)},
          {"settings", map_json(resolved.settings)},
          {"precision", enum_name(*resolved.config.train.precision)},
          {"steps", resolved.steps ? Json(*resolved.steps) : Json(nullptr)}};
}

Json parse_plan(const std::string& text, const std::string& file) {
  try {
    Json json = parse_json<Json>(text);
    if (!json.is_object() || !json.contains("runs") || !json["runs"].is_array())
      throw JsonError("is not the plan of a sweep");
    if (json.value("format", Json()) != kFormat)
      throw JsonError(fmt::format("has a format other than {}: it was written by another version", kFormat));
    return json;
  } catch (const JsonError& error) {
    throw_user_error("'{}' {}", file, error.what());
  }
}

template <NamedEnum E>
E enum_of(const Json& json, const char* key, const std::string& file) {
  const Json name = json.value(key, Json());
  for (const auto& [text, value] : EnumNames<E>::names) {
    if (name == text) return value;
  }
  throw_user_error("'{}' has no {}", file, key);
}

// The steps of data that could not be opened are not known.
bool is_same(const Json& a, const Json& b, const std::string& key) {
  return a == b || (key == "steps" && (a.is_null() || b.is_null()));
}

// "LABEL: KEY is 2, was 1" for all members of two objects.
void compare(const Json& before, const Json& now, const std::string& label,
             std::vector<std::string>& differences) {
  std::set<std::string> keys;
  for (const auto& [key, value] : before.items()) keys.insert(key);
  for (const auto& [key, value] : now.items()) keys.insert(key);
  for (const std::string& key : keys) {
    if (key == "runs" || key == "base")
      continue;  // its settings are compared, its path depends on the working directory
    const Json old_value = before.value(key, Json()), new_value = now.value(key, Json());
    if (is_same(old_value, new_value, key)) continue;
    if (old_value.is_object() && new_value.is_object()) {
      compare(old_value, new_value, label, differences);
    } else {
      differences.push_back(
          fmt::format("{}{} is {}, was {}", label, key, new_value.dump(), old_value.dump()));
    }
  }
}

std::map<std::string, Json> runs_by_name(const Json& plan) {
  std::map<std::string, Json> runs;
  for (const Json& run : plan["runs"]) {
    if (run.is_object() && run.value("name", Json()).is_string()) runs[run["name"]] = run;
  }
  return runs;
}

}  // namespace

std::string plan_json(const SweepPlan& plan) {
  Json runs = Json::array();
  for (const ResolvedRun& run : plan.runs) runs.push_back(run_json(run));
  const Json json = {{"format", kFormat},
                     {"name", plan.sweep.config.name},
                     {"base", plan.sweep.base.string()},
                     {"axes", axes_json(plan.sweep)},
                     {"seeds", plan.sweep.config.seeds},
                     {"search", search_json(plan)},
                     {"threads", plan.fixed.threads},
                     {"precision", precision_of_all(plan)},
                     {"device", enum_name(plan.fixed.device)},
                     {"unset_precision", enum_name(plan.fixed.precision)},
                     {"base_settings", map_json(plan.base_settings)},
                     {"runs", runs}};
  return json.dump(1) + "\n";
}

FixedSettings read_fixed_settings(const std::string& text, const std::string& file) {
  const Json json = parse_plan(text, file);
  FixedSettings fixed;
  try {
    fixed.threads = json_integer(nlohmann::json(json.value("threads", Json())), "threads", 1, 4096);
  } catch (const JsonError& error) {
    throw_user_error("'{}': {}", file, error.what());
  }
  fixed.device = enum_of<DeviceChoice>(json, "device", file);
  fixed.precision = enum_of<Precision>(json, "unset_precision", file);
  return fixed;
}

std::vector<std::string> plan_differences(const std::string& earlier_json, const std::string& json,
                                          const std::string& file) {
  const Json before = parse_plan(earlier_json, file), now = parse_plan(json, file);
  std::vector<std::string> differences;
  compare(before, now, "", differences);
  const auto old_runs = runs_by_name(before), new_runs = runs_by_name(now);
  for (const auto& [name, run] : old_runs) {
    if (!new_runs.contains(name)) differences.push_back(fmt::format("the run {} is no longer there", name));
  }
  for (const auto& [name, run] : new_runs) {
    const auto old_run = old_runs.find(name);
    if (old_run == old_runs.end()) {
      differences.push_back(fmt::format("the run {} is new", name));
    } else {
      compare(old_run->second, run, name + ": ", differences);
    }
  }
  return differences;
}

}  // namespace cloob
