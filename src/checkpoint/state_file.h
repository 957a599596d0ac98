// The file state.json of a checkpoint.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "checkpoint/digest.h"
#include "cloob/checkpoint/checkpoint.h"

namespace cloob {

inline constexpr const char* kStateFile = "state.json";
inline constexpr const char* kWeightsFile = "weights.safetensors";
inline constexpr const char* kTrainingFile = "training.safetensors";
inline constexpr const char* kConfigFile = "config.yaml";

struct StateFile {
  TrainingState state;
  std::map<std::string, FileDigest> files;  // the other files of the folder
  std::string created_by;                   // set by read_state_file
};

/// The JSON of state.json and `weights inspect`.
void to_json(nlohmann::json& json, const TrainingState& state);

/// The inverse. Throws nlohmann's exceptions and UserError for what is missing or out of range.
TrainingState training_state_from(const nlohmann::json& json);

void write_state_file(const std::filesystem::path& folder, const StateFile& content);

/// Throws UserError when it is missing, damaged or of a newer format.
StateFile read_state_file(const std::filesystem::path& folder);

}  // namespace cloob
