// The models of configs/model by name.
#pragma once

#include <filesystem>
#include <string>

#include "cloob/config/config.h"
#include "cloob/model/model_config.h"

namespace cloob {

/// The file of settings that `model` names: a file, or the name of one in configs/model. Throws UserError.
std::filesystem::path find_model_file(const std::string& model);

/// The name of an architecture: that of the file in configs/model with these sizes, followed by "-quickgelu" as in
/// open_clip if only the activation differs; otherwise its sizes, "resnet 1-1-1-1, width 32, 64 px".
std::string model_name(const ModelConfig& config);

/// Makes the settings start from the model of `file` (--model) instead of the model file that a recipe includes.
void use_model_file(ConfigSource& source, const std::filesystem::path& file);

/// Throws UserError if the recipe itself sets sizes of the model that `file` (--model) sets, too.
void require_model_of_file(const Origins& origins, const std::filesystem::path& file);

}  // namespace cloob
