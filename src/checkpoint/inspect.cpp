#include "cloob/checkpoint/inspect.h"

#include <c10/core/ScalarType.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <ranges>
#include <set>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint_files.h"
#include "checkpoint/printable.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/sharded_training_files.h"
#include "checkpoint/state_file.h"
#include "checkpoint/weight_names.h"
#include "checkpoint/weights_file.h"
#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/checkpoint.h"

namespace cloob {
namespace {

// Keeps insertion order, so that the most important keys come first.
using Json = nlohmann::ordered_json;
using Tensors = std::map<std::string, TensorInfo>;

std::uint64_t count_elements(const TensorInfo& tensor) {
  std::uint64_t count = 1;
  for (const std::int64_t size : tensor.shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

std::uint64_t count_bytes(const Tensors& tensors) {
  std::uint64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += count_elements(tensor) * c10::elementSize(tensor.dtype);
  return bytes;
}

// Learned elements, without the statistics and counters of batch norm.
std::uint64_t count_parameters(const Tensors& tensors) {
  std::uint64_t count = 0;
  for (const auto& [name, tensor] : tensors) {
    if (c10::isFloatingType(tensor.dtype) && name.find(".running_") == std::string::npos)
      count += count_elements(tensor);
  }
  return count;
}

Json describe_tensors(const Tensors& tensors) {
  std::map<std::string, Json> result;  // not Json, which searches all of its keys for each new one
  for (const auto& [name, tensor] : tensors) {
    result[name] = {{"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}};
  }
  return result;
}

void describe_weights(Json& json, const std::filesystem::path& path) {
  const auto file = open_weights(path);
  const Tensors tensors = file->list();
  if (!json.contains("format")) json["format"] = file->format();
  const auto names = tensors | std::views::keys;
  try {
    const auto plan = plan_names(path, file->format(), std::set<std::string>(names.begin(), names.end()));
    if (!json.contains("state")) json["source"] = source_name(plan.source);
  } catch (const UserError& error) {
    json["not_importable"] = error.what();
  }
  json["num_tensors"] = tensors.size();
  json["num_parameters"] = count_parameters(tensors);
  json["bytes"] = count_bytes(tensors);
  json["metadata"] = file->metadata();
  json["notes"] = file->notes();
  json["tensors"] = describe_tensors(tensors);
}

void describe_state(Json& json, const StateFile& content) {
  json["created_by"] = content.created_by;
  json["state"] = nlohmann::json(content.state);
}

Json inspect(const std::filesystem::path& given) {
  const CheckpointLocation location = resolve_checkpoint(given);
  Json json = {{"path", location.path.string()}};
  if (location.kind == CheckpointLocation::Kind::weights_file) {
    describe_weights(json, location.path);
    return json;
  }
  json["format"] = "checkpoint";
  const std::filesystem::path folder = follow_links(location.path);
  const StateFile content = read_state_file(folder);
  describe_state(json, content);
  describe_weights(json, folder / kWeightsFile);
  std::vector<std::string> training_files = training_parts_among(content.files, folder);
  if (content.files.contains(kTrainingFile)) training_files.emplace_back(kTrainingFile);
  std::set<std::string> names;  // parts have the same
  std::uint64_t bytes = 0;
  for (const std::string& file : training_files) {
    const Tensors tensors = open_weights(folder / file)->list();
    bytes += count_bytes(tensors);
    for (const auto& [name, tensor] : tensors) names.insert(name);
  }
  if (!training_files.empty()) json["training"] = {{"num_tensors", names.size()}, {"bytes", bytes}};
  return json;
}

std::string state_lines(const Json& json) {
  const Json& state = json.at("state");
  const auto position = state.at("data_position").get<double>(), size = state.at("data_size").get<double>();
  std::string text = fmt::format("written by {}\nstep {}, epoch {:.2f}, {} samples seen, {} of training\n",
                                 json.at("created_by").get<std::string>(), with_thousands(state.at("step")),
                                 size > 0 ? position / size : 0.0, with_thousands(state.at("samples_seen")),
                                 human_seconds(state.at("time_s")));
  for (const auto& [name, value] : state.at("metrics").items())
    text += fmt::format("{} {}\n", name, value.dump());
  return text;
}

std::string tensor_lines(const Json& tensors) {
  std::size_t width = 0;
  for (const auto& [name, tensor] : tensors.items()) width = std::max(width, in_quotes(name).size());
  std::string text;
  for (const auto& [name, tensor] : tensors.items()) {
    text += fmt::format("{:{}}  {:8} [{}]\n", in_quotes(name), width, tensor.at("dtype").get<std::string>(),
                        fmt::join(tensor.at("shape").get<std::vector<std::int64_t>>(), ", "));
  }
  return text;
}

std::string size_line(const Json& json) {
  return fmt::format("{} tensors, {} parameters, {}\n", json.at("num_tensors").get<std::int64_t>(),
                     with_thousands(json.at("num_parameters")), human_bytes(json.at("bytes")));
}

}  // namespace

std::string inspect_as_text(const std::filesystem::path& path) {
  const Json json = inspect(path);
  std::string text =
      fmt::format("{}: {}", json.at("path").get<std::string>(), json.at("format").get<std::string>());
  text +=
      json.contains("source") ? fmt::format(", weights of {}\n", json.at("source").get<std::string>()) : "\n";
  if (json.contains("not_importable")) {
    text += fmt::format("cannot be imported: {}\n", json.at("not_importable").get<std::string>());
  }
  if (json.contains("state")) text += state_lines(json);
  for (const auto& [key, value] : json.at("metadata").items()) {
    text += fmt::format("metadata {}: {}\n", in_quotes(key), in_quotes(value.get<std::string>()));
  }
  for (const Json& note : json.at("notes")) text += fmt::format("note: {}\n", note.get<std::string>());
  if (json.contains("training")) {
    const Json& training = json.at("training");
    text += fmt::format("training state: {} tensors, {}\n", training.at("num_tensors").get<std::int64_t>(),
                        human_bytes(training.at("bytes")));
  }
  return text + "weights: " + size_line(json) + tensor_lines(json.at("tensors"));
}

std::string inspect_as_json(const std::filesystem::path& path) {
  constexpr int kIndent = 2;
  // Names in files of other programs are not necessarily UTF-8.
  return inspect(path).dump(kIndent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace cloob
