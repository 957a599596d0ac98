// The runs that `cloob report` compares, as found in their folders.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cloob/checkpoint/checkpoint_config.h"
#include "cloob/report/metrics.h"
#include "cloob/run/run_config.h"

namespace cloob {

struct ComparedRun {
  std::string name;
  std::filesystem::path folder;
  std::string objective, model;                 ///< of its config.yaml; empty without one
  std::map<std::string, std::string> settings;  ///< of its config.yaml, by dotted name
  CheckpointConfig checkpoint;                  ///< of its config.yaml
  std::vector<MetricsRecord> records;
  std::vector<MetricsRecord> evaluations;  ///< with the names of metrics.jsonl, such as val/cifar10_acc1
  nlohmann::json zero_shot;  ///< RUN/zero_shot.json, written by `cloob eval zero-shot --json`; or null
};

/// The settings in such a file as the config.yaml of a run; unset without one, and, with a warning that names the run, for one that this
/// version cannot read.
std::optional<RunConfig> read_settings_file(const std::filesystem::path& file, const std::string& name);

/// Reads "RUN_FOLDER", named after its last component, or "NAME=RUN_FOLDER". Throws UserError.
ComparedRun read_compared_run(const std::string& argument);

/// Throws UserError if two runs have the same name, or were evaluated by `cloob eval zero-shot` on different data.
void require_comparable(const std::vector<ComparedRun>& runs);

}  // namespace cloob
