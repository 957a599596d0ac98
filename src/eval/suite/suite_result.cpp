#include "cloob/eval/suite/suite_result.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "cloob/base/version.h"
#include "cloob/config/config.h"
#include "cloob/data/source_names.h"
#include "cloob/report/csv.h"

namespace cloob {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxResultBytes = std::uint64_t{64} << 20;
constexpr const char* kOwnKey = "cloob";  // of all that clip-benchmark does not know

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

double number_of(const Json& json) {
  return json.is_number() ? json.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

std::string hash_of(const std::string& text) { return fmt::format("{:016x}", hash_text(text, 0)); }

// Without what changes only how fast data is read.
DataConfig settings_of_reading(DataConfig data) {
  const DataConfig usual;
  data.threads = usual.threads;
  data.prefetch_batches = usual.prefetch_batches;
  data.index_folder = usual.index_folder;
  if (data.image_root) data.image_root = canonical_name(*data.image_root);
  return data;
}

std::string lines(const std::vector<std::string>& texts) { return join(texts, "\n"); }

SuiteTask task_of(const std::string& name) {
  for (const auto& [word, task] : EnumNames<SuiteTask>::names) {
    if (task_name(task) == name) return task;
  }
  throw JsonError("has no known task");
}

std::vector<SuiteMetric> metrics_of(const Json& json) {
  std::vector<SuiteMetric> metrics;
  const Json& intervals = json.at(kOwnKey).at("intervals");
  for (const auto& [name, value] : json.at("metrics").items()) {
    SuiteMetric metric{.name = name, .value = number_of(value)};
    if (const auto found = intervals.find(name); found != intervals.end())
      metric.interval = {number_of(found->at(0)), number_of(found->at(1))};
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

SuiteResult result_of(const Json& json) {
  const Json& own = json.at(kOwnKey);
  static_cast<void>(own.at("settings"));
  return {.model = own.at("checkpoint").get<std::string>(),
          .architecture = json.at("model").get<std::string>(),
          .set = json.at("dataset").get<std::string>(),
          .task = task_of(json.at("task").get<std::string>()),
          .metrics = metrics_of(json),
          .was_finished = true,
          .seconds = number_of(own.at("seconds"))};
}

bool is_main(const std::string& metric) {
  return metric.find("acc1") != metric.npos || metric.ends_with("recall@1");
}

}  // namespace

std::string task_name(SuiteTask task) {
  if (task == SuiteTask::zero_shot) return "zeroshot_classification";
  if (task == SuiteTask::retrieval) return "zeroshot_retrieval";
  return std::string(enum_name(task));
}

std::string result_file_name(const std::string& model, const std::string& set, SuiteTask task) {
  std::string name = fmt::format("{}_{}_{}", set, model, task_name(task));
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  std::ranges::replace_if(name, [&](char c) { return !is_plain(c); }, '_');
  return name + ".json";
}

std::string settings_of_result(const SuiteModel& model, const SuiteSet& set, SuiteTask task,
                               const SuiteSettings& eval, const std::string& precision) {
  Json json = {{"model", model.hash},
               {"precision", precision},
               {"path", canonical_name(set.test_path)},
               {"split", set.split()},
               {"data", hash_of(print_config(settings_of_reading(set.config.data)))},
               {"language", set.config.language},
               {"num_images", set.source().size()},
               {"max_samples", set.config.max_samples ? Json(*set.config.max_samples) : Json()},
               {"bootstrap_draws", eval.bootstrap_draws},
               {"confidence", eval.confidence},
               {"seed", eval.seed}};
  if (task == SuiteTask::zero_shot) {
    json["class_names"] = hash_of(lines(set.prompts.class_names));
    json["templates"] = hash_of(lines(set.prompts.templates));
  }
  if (task == SuiteTask::retrieval) json["captions"] = enum_name(set.config.captions);
  if (needs_training(task)) {
    json["features"] = enum_name(set.stage_of(task));
    json["train_path"] = canonical_name(set.train_path);
    json["train_split"] = set.train_split();
    json["num_train_images"] = set.train->size();
  }
  if (task == SuiteTask::linear_probe) {
    json["method"] = enum_name(eval.probe_method);
    json["c"] = eval.probe_c ? Json(*eval.probe_c) : Json();
  } else if (task == SuiteTask::knn) {
    json["k"] = eval.knn_k;
    json["temperature"] = eval.knn_temperature;
  } else if (task == SuiteTask::few_shot) {
    json["shots"] = eval.shots;
    json["draws"] = eval.shot_draws;
  }
  return json.dump();
}

std::string result_json(const SuiteModel& model, const SuiteSet& set, SuiteTask task,
                        const SuiteMeasures& measures, const std::string& settings, double confidence,
                        double seconds) {
  Json metrics = Json::object(), intervals = Json::object();
  for (const SuiteMetric& metric : measures.metrics) {
    metrics[metric.name] = number(metric.value);
    if (metric.interval)
      intervals[metric.name] = {number(metric.interval->low), number(metric.interval->high)};
  }
  Json own = {{"version", kVersion},
              {"checkpoint", model.name},
              {"confidence", confidence},
              {"intervals", std::move(intervals)}};
  if (!model.refinement.empty()) own["refinement"] = parse_json<Json>(model.refinement);
  for (const auto& [name, value] : measures.details) own[name] = number(value);
  if (set.classes) {
    own["class_names_from"] = set.prompts.names_from;
    own["templates_from"] = set.prompts.templates_from;
    if (!set.prompts.class_folders.empty()) own["class_folders"] = set.prompts.class_folders;
  }
  own["settings"] = parse_json<Json>(settings);
  own["seconds"] = seconds;
  Json json = {{"dataset", set.name},     {"model", model.architecture},   {"pretrained", model.path},
               {"task", task_name(task)}, {"metrics", std::move(metrics)}, {"language", set.config.language}};
  if (set.classes) {
    json["classnames"] = set.prompts.class_names;
    if (task == SuiteTask::zero_shot) json["templates"] = set.prompts.templates;
  }
  json[kOwnKey] = std::move(own);
  return json.dump(1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

std::string read_result_file(const std::filesystem::path& file) {
  std::string text = read_small_file(file, kMaxResultBytes, "a result");
  try {
    result_of(parse_json<Json>(text));
    return text;
  } catch (const JsonError&) {
  } catch (const Json::exception&) {
  }
  throw_user_error(
      "'{}' is not the result of a suite, so it is not overwritten: choose another --out, or remove it",
      file.string());
}

std::optional<SuiteResult> parse_result(const std::string& json, const std::string& settings) {
  const Json parsed = parse_json<Json>(json);
  if (parsed.at(kOwnKey).at("settings") != parse_json<Json>(settings)) return std::nullopt;
  return result_of(parsed);
}

std::string results_csv(std::span<const SuiteResult> results) {
  std::string text(kSuiteCsvHeader);
  for (const SuiteResult& result : results) {
    for (const SuiteMetric& metric : result.metrics) {
      const std::string low = metric.interval ? csv_value(metric.interval->low) : "",
                        high = metric.interval ? csv_value(metric.interval->high) : "";
      text += fmt::format("{},{},{},{},{},{},{},{}\n", csv_field(result.model),
                          csv_field(result.architecture), csv_field(result.set), task_name(result.task),
                          csv_field(metric.name), csv_value(metric.value), low, high);
    }
  }
  return text;
}

ReportTable results_table(std::span<const SuiteResult> results, double confidence) {
  ReportTable table{.title = "",
                    .header = {"data set", "checkpoint", "task", "metric", "%",
                               fmt::format("{} % interval", shortest(std::round(confidence * 1e4) / 100))},
                    .rows = {},
                    .note = ""};
  for (const SuiteResult& result : results) {
    for (const SuiteMetric& metric : result.metrics) {
      if (!is_main(metric.name) || !std::isfinite(metric.value)) continue;
      const std::string interval =
          metric.interval
              ? fmt::format("{:.1f} to {:.1f}", 100 * metric.interval->low, 100 * metric.interval->high)
              : "";
      table.rows.push_back({result.set, result.model, task_name(result.task), metric.name,
                            fmt::format("{:.2f}", 100 * metric.value), interval});
    }
  }
  return table;
}

}  // namespace cloob
