#include "cloob/run/model_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

// Settings of the section that are not part of the architecture, or by which variants of one model differ.
constexpr std::array<std::string_view, 3> kVariations = {"model.activation", "model.image.patch_dropout",
                                                         "model.round_init_to_fp16"};

struct ModelFile {
  ModelConfig model;

  static constexpr auto fields() { return std::tuple(field("model", &ModelFile::model, "The two towers.")); }
};
static_assert(lists_every_member<ModelFile>);

std::map<std::string, std::string> sizes_of(ModelConfig config) {
  if (config.image.activation == config.activation) config.image.activation.reset();
  std::map<std::string, std::string> values = setting_values(ModelFile{config});
  for (const std::string_view name : kVariations) values.erase(std::string(name));
  return values;
}

std::vector<std::filesystem::path> model_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(find_resource("configs/model")))
    files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

// The file of configs/model with these sizes.
std::optional<std::filesystem::path> file_of_sizes(const ModelConfig& config) {
  const auto sizes = sizes_of(config);
  for (const std::filesystem::path& file : model_files()) {
    if (sizes_of(read_model_file(file)) == sizes) return file;
  }
  return std::nullopt;
}

std::string describe_sizes(const ModelConfig& config) {
  return fmt::format("{} {}, width {}, {} px", enum_name(config.image.kind),
                     fmt::join(config.image.layers, "-"), config.image.width, config.image.image_size);
}

}  // namespace

std::filesystem::path find_model_file(const std::string& model) {
  std::error_code error;
  if (std::filesystem::is_regular_file(model, error)) return model;
  std::vector<std::string> names;
  for (const std::filesystem::path& file : model_files()) {
    if (file.stem() == model) return file;
    names.push_back(file.stem().string());
  }
  throw_user_error("--model '{}' is neither a file nor one of {}{}", model, join(names, ", "),
                   suggestion(model, names));
}

ModelConfig read_model_file(const std::filesystem::path& file) {
  return read_config<ModelFile>(ConfigSource::from_file(file)).model;
}

std::string model_name(const ModelConfig& config) {
  const auto file = file_of_sizes(config);
  if (!file) return describe_sizes(config);
  const bool is_variant = config.activation != read_model_file(*file).activation;
  return file->stem().string() +
         (is_variant ? (config.activation == Activation::quick_gelu ? "-quickgelu" : "-gelu") : "");
}

bool is_model_of_open_clip(const ModelConfig& config) {
  const auto file = file_of_sizes(config);
  return file && !file->stem().string().starts_with("tiny-");
}

ConfigSource recipe_with_model(const std::filesystem::path& recipe, const std::filesystem::path& file) {
  return ConfigSource::from_file_with(recipe, "model", file);
}

void require_model_of_file(const Origins& origins, const std::filesystem::path& file) {
  for (const auto& [name, origin] : origins) {
    const bool is_size =
        name.starts_with("model.") && std::ranges::find(kVariations, name) == kVariations.end();
    if (!is_size || origin == kCommandLine || origin.starts_with(file.string() + ":")) continue;
    throw_user_error(
        "{}: {} is set here, so that --model {} would give a mixture of two models: remove --model, or "
        "put the model's settings into a file that this one includes",
        origin, name, file.string());
  }
}

}  // namespace cloob
