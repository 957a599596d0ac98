#include "cli/compared_runs.h"

#include <set>
#include <system_error>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/named_path.h"
#include "cloob/config/config.h"
#include "cloob/run/model_file.h"
#include "cloob/run/run_config.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

// Of a run of another version, or without a config.yaml, the metrics are compared all the same.
void read_settings_of(ComparedRun& run) {
  const std::optional<RunConfig> config = read_settings_file(run.folder / "config.yaml", run.name);
  if (!config) return;
  run.objective = enum_name(config->objective);
  run.model = model_name(config->model);
  run.settings = setting_values(*config);
  run.checkpoint = config->checkpoint;
}

nlohmann::json read_zero_shot(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return nullptr;
  nlohmann::json result;
  try {
    result = parse_python_json(read_file(file));
  } catch (const JsonError& error) {
    throw_user_error("'{}' {}", file.string(), error.what());
  }
  for (const char* key : {"acc1", "num_samples", "num_classes"}) {
    if (result.is_object() && result.contains(key) && result[key].is_number()) continue;
    throw_user_error("'{}' has no number '{}': write it with cloob eval zero-shot --json, for one data set",
                     file.string(), key);
  }
  return result;
}

}  // namespace

std::optional<RunConfig> read_settings_file(const fs::path& file, const std::string& name) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return std::nullopt;
  try {
    return read_config<RunConfig>(ConfigSource::from_file(file));
  } catch (const UserError& error) {
    log_warning("report", "the settings of {} are not compared: {}", name, error.what());
    return std::nullopt;
  }
}

ComparedRun read_compared_run(const std::string& argument) {
  const auto [name, folder] = named_path(argument);
  ComparedRun run{.name = name,
                  .folder = folder,
                  .objective = "",
                  .model = "",
                  .settings = {},
                  .checkpoint = {},
                  .records = {},
                  .evaluations = {},
                  .zero_shot = {}};
  std::error_code ignored;
  if (!fs::exists(run.folder, ignored)) throw_user_error("'{}' does not exist", run.folder.string());
  if (!fs::exists(metrics_path(run.folder), ignored)) {
    throw_user_error("'{}' is not the folder of a run: it has no {}", run.folder.string(),
                     metrics_path(run.folder).filename().string());
  }
  run.records = read_metrics(metrics_path(run.folder));
  run.evaluations = read_evaluations(run.folder, run.records);
  run.zero_shot = read_zero_shot(run.folder / "zero_shot.json");
  read_settings_of(run);
  return run;
}

void require_comparable(const std::vector<ComparedRun>& runs) {
  // The names become keys of results.json.
  std::set<std::string> names = {"chance", "num_images", "written_by"};
  const ComparedRun* first = nullptr;  // with a zero_shot.json
  for (const ComparedRun& run : runs) {
    if (!names.insert(run.name).second) {
      throw_user_error("'{}' is given twice or is a reserved key of results.json: name it with NAME={}",
                       run.name, run.folder.string());
    }
    if (run.zero_shot.is_null()) continue;
    if (first == nullptr) first = &run;
    for (const char* key : {"num_samples", "num_classes"}) {
      if (run.zero_shot[key] == first->zero_shot[key]) continue;
      throw_user_error("'{}' and '{}' were evaluated on different data: {} is {} and {}", first->name,
                       run.name, key, first->zero_shot[key].dump(), run.zero_shot[key].dump());
    }
  }
}

}  // namespace cloob
