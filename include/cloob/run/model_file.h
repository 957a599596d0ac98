// The models of configs/model by name.
#pragma once

#include <filesystem>
#include <string>

#include "cloob/config/config.h"
#include "cloob/model/model_config.h"

namespace cloob {

/// The file of settings that `model` names: a file, or the name of one in configs/model. Throws UserError.
std::filesystem::path find_model_file(const std::string& model);

/// The architecture in a file of settings.
ModelConfig read_model_file(const std::filesystem::path& file);

/// The name of an architecture: that of the file in configs/model with these sizes, followed by "-quickgelu" as in
/// open_clip if only the activation differs; otherwise its sizes, "resnet 1-1-1-1, width 32, 64 px".
std::string model_name(const ModelConfig& config);

/// Whether open_clip has a model of this name and architecture; the tiny ones are our own.
bool is_model_of_open_clip(const ModelConfig& config);

/// The settings of a recipe with the model of `file` (--model) instead of the model file that it includes.
ConfigSource recipe_with_model(const std::filesystem::path& recipe, const std::filesystem::path& file);

/// Throws UserError if the recipe itself sets sizes of the model that `file` (--model) sets, too.
void require_model_of_file(const Origins& origins, const std::filesystem::path& file);

}  // namespace cloob
