// Export of models as files and folders that other programs load.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"
#include "cloob/run/import_model.h"

namespace cloob {

enum class ExportFormat { open_clip, hf };

template <>
struct EnumNames<ExportFormat> {
  static constexpr std::array<std::pair<std::string_view, ExportFormat>, 2> names{
      {{"open_clip", ExportFormat::open_clip}, {"hf", ExportFormat::hf}}};
};

/// What this architecture has and open_clip's models cannot have, such as SLIP's image tower; nullopt if open_clip can
/// load it.
std::optional<std::string_view> what_open_clip_lacks(const ModelConfig& model);

/// Writes a new folder: for `open_clip.create_model_and_transforms('local-dir:FOLDER')`, or for
/// `transformers.CLIPModel.from_pretrained(FOLDER)` and CLIPProcessor, which exist for vision transformers with CLIP's
/// tokenizer only. Throws UserError if the format cannot express the model, or the folder exists and is not empty.
void export_folder(const ImportedModel& model, ExportFormat format, const std::filesystem::path& folder);

/// Writes a single safetensors file, which this program and, unless what_open_clip_lacks says otherwise, open_clip load
/// strictly. Throws UserError.
void export_file(const ImportedModel& model, const std::filesystem::path& file);

}  // namespace cloob
