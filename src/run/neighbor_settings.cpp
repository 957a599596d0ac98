#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "run/untold_settings.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

// An empty object if there is no such file.
Json read_object(const std::filesystem::path& path) {
  constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 20;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return Json::object();
  const std::string text = read_small_file(path, kMaxBytes, "a model's settings");
  try {
    Json json = parse_python_json(text);
    if (json.is_object()) return json;
  } catch (const JsonError& error) {
    throw_user_error("'{}' {}: it belongs to the weights next to it", path.string(), error.what());
  }
  throw_user_error("'{}' is not a JSON object: it belongs to the weights next to it", path.string());
}

Json object_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_object() ? *found : Json::object();
}

// Values that are stored as null count as missing.
template <class T>
T value_at(const Json& json, const char* key, T otherwise) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? otherwise : found->get<T>();
}

Activation activation_of(const Json& tower) {
  constexpr const char* kKey = "hidden_act";
  const auto name = value_at<std::string>(tower, kKey, "quick_gelu");  // transformers' default
  if (name == "quick_gelu") return Activation::quick_gelu;
  if (name == "gelu") return Activation::gelu;
  throw_user_error("its {} is '{}'; gelu and quick_gelu are supported", kKey, name);
}

constexpr double kEpsilon = 1e-5;  // of CLIP and the default of both programs

double epsilon_at(const Json& json, const char* key) {
  const double epsilon = value_at(json, key, kEpsilon);
  return std::abs(epsilon / kEpsilon - 1) < 1e-3 ? kEpsilon
                                                 : epsilon;  // some files have the float32 nearest to it
}

void check_text_epsilon(const Json& json, const char* key) {
  const double epsilon = epsilon_at(json, key);
  if (epsilon != kEpsilon)
    throw_user_error("its {} in the text tower is {}, only {} is supported", key, epsilon, kEpsilon);
}

void read_mean_and_std(const Json& json, const char* mean, const char* std, ImageConfig& image) {
  image.mean = value_at(json, mean, image.mean);
  image.std = value_at(json, std, image.std);
}

Interpolation interpolation_named(std::string_view name) {
  for (const auto& [text, value] : EnumNames<Interpolation>::names) {
    if (text == name) return value;
  }
  throw_user_error("it resizes images with '{}'; bicubic and bilinear are supported", name);
}

ResizeMode resize_mode_named(std::string_view name) {
  for (const auto& [text, value] : EnumNames<ResizeMode>::names) {
    if (text == name) return value;
  }
  throw_user_error("its resize_mode is '{}', which is not supported", name);
}

// Pillow's numbers.
Interpolation interpolation_numbered(std::int64_t number) {
  if (number == 2) return Interpolation::bilinear;
  if (number == 3) return Interpolation::bicubic;
  throw_user_error("its resample is {}; 2 (bilinear) and 3 (bicubic) are supported", number);
}

// A side in pixels: a number, or one of an object's.
std::optional<std::int64_t> side_at(const Json& json, const char* key, const char* member) {
  const auto found = json.find(key);
  if (found == json.end()) return std::nullopt;
  if (found->is_number_integer()) return found->get<std::int64_t>();
  const Json sides = object_at(json, key);
  return sides.contains(member) ? std::optional(sides[member].get<std::int64_t>()) : std::nullopt;
}

// Steps that this program cannot repeat give other features than the ones that the model was trained with.
void warn_of_other_steps(const Json& images, const std::filesystem::path& file, std::int64_t image_size) {
  constexpr double kRescaleFactor = 1.0 / 255;
  std::vector<std::string> steps;
  for (const char* const step :
       {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}) {
    const bool squashes =
        std::string_view(step) == "do_center_crop" && object_at(images, "size").contains("height");
    if (!value_at(images, step, true) && !squashes) steps.push_back(fmt::format("{} is false", step));
  }
  if (std::abs(value_at(images, "rescale_factor", kRescaleFactor) / kRescaleFactor - 1) > 1e-3)
    steps.emplace_back("rescale_factor is not 1/255");
  const auto resized = side_at(images, "size", "shortest_edge"),
             cropped = side_at(images, "crop_size", "height");
  if (resized.value_or(image_size) != image_size)
    steps.push_back(fmt::format("images are resized to {}", *resized));
  if (cropped.value_or(image_size) != image_size)
    steps.push_back(fmt::format("images are cropped to {}", *cropped));
  if (steps.empty()) return;
  log_warning("weights", "'{}': {}; here images are resized to {} and normalized, so features may differ",
              file.string(), join(steps, ", "), image_size);
}

void read_hugging_face(const Json& config, const std::filesystem::path& folder, UntoldSettings& settings) {
  const Json vision = object_at(config, "vision_config"), text = object_at(config, "text_config");
  settings.activation = activation_of(text);
  if (activation_of(vision) != settings.activation) settings.image_activation = activation_of(vision);
  settings.image_norm_eps = epsilon_at(vision, "layer_norm_eps");
  check_text_epsilon(text, "layer_norm_eps");
  // The defaults of transformers, which leaves them out when it saves.
  settings.heads = {.image = value_at<std::int64_t>(vision, "num_attention_heads", 12),
                    .text = value_at<std::int64_t>(text, "num_attention_heads", 8)};
  const Json images = read_object(folder / "preprocessor_config.json");
  warn_of_other_steps(images, folder / "preprocessor_config.json",
                      value_at<std::int64_t>(vision, "image_size", 224));
  read_mean_and_std(images, "image_mean", "image_std", settings.image);
  settings.image.interpolation = interpolation_numbered(value_at<std::int64_t>(images, "resample", 3));
  if (object_at(images, "size").contains("height")) settings.image.resize_mode = ResizeMode::squash;
}

void read_open_clip(const Json& config, UntoldSettings& settings) {
  const Json model = object_at(config, "model_cfg"), images = object_at(config, "preprocess_cfg");
  settings.activation = value_at(model, "quick_gelu", false) ? Activation::quick_gelu : Activation::gelu;
  const Json vision = object_at(model, "vision_cfg"), text = object_at(model, "text_cfg");
  const auto head_width = value_at<std::int64_t>(vision, "head_width", 64);
  if (head_width < 1) throw_user_error("its head_width is {}", head_width);
  settings.heads = {.image_width = head_width, .text = value_at<std::int64_t>(text, "heads", 8)};
  settings.image_norm_eps = epsilon_at(object_at(vision, "norm_kwargs"), "eps");
  check_text_epsilon(object_at(text, "norm_kwargs"), "eps");
  read_mean_and_std(images, "mean", "std", settings.image);
  settings.image.interpolation =
      interpolation_named(value_at<std::string>(images, "interpolation", "bicubic"));
  settings.image.resize_mode = resize_mode_named(value_at<std::string>(images, "resize_mode", "shortest"));
  settings.image.fill_color = value_at(images, "fill_color", settings.image.fill_color);
}

}  // namespace

std::optional<UntoldSettings> neighbor_settings(const std::filesystem::path& weights, WeightSource source) {
  const bool is_hugging_face = source == WeightSource::hugging_face;
  if (!is_hugging_face && source != WeightSource::open_clip) return std::nullopt;
  const std::filesystem::path folder = weights.parent_path();
  const std::filesystem::path file = folder / (is_hugging_face ? "config.json" : "open_clip_config.json");
  const Json config = read_object(file);
  if (!config.contains(is_hugging_face ? "vision_config" : "model_cfg")) return std::nullopt;
  UntoldSettings settings{.origin = file.string()};
  try {
    is_hugging_face ? read_hugging_face(config, folder, settings) : read_open_clip(config, settings);
    settings.image.validate();
  } catch (const UserError& error) {
    throw_user_error("'{}', which belongs to '{}': {}", settings.origin, weights.string(), error.what());
  } catch (const Json::exception&) {
    throw_user_error("'{}', which belongs to '{}': a value has another type than expected", settings.origin,
                     weights.string());
  }
  return settings;
}

}  // namespace cloob
