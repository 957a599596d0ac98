#include "cloob/checkpoint/share_checkpoint.h"

#include <ATen/ops/empty.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "checkpoint/state_file.h"
#include "cloob/base/broadcast_text.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

Json layout_of(const NamedTensors& tensors) {
  Json layout = Json::object();
  for (const auto& [name, tensor] : tensors)
    layout[name] = {{"type", static_cast<int>(tensor.scalar_type())}, {"shape", tensor.sizes().vec()}};
  return layout;
}

NamedTensors tensors_of(const Json& layout) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : layout.items()) {
    tensors[name] = at::empty(tensor["shape"].get<std::vector<std::int64_t>>(),
                              static_cast<at::ScalarType>(tensor["type"].get<int>()));
  }
  return tensors;
}

// Bytes that need not be UTF-8.
Json bytes_of(const std::string& text) { return Json::binary({text.begin(), text.end()}); }

std::string text_of(const Json& bytes) {
  const auto& binary = bytes.get_binary();
  return {binary.begin(), binary.end()};
}

std::string describe(const std::optional<Checkpoint>& checkpoint) {
  Json json;
  if (checkpoint) {
    json = {{"state", checkpoint->state},
            {"config", bytes_of(checkpoint->config_yaml)},
            {"tokenizer", bytes_of(checkpoint->tokenizer_model)},
            {"metadata", checkpoint->weights_metadata},
            {"weights", layout_of(checkpoint->weights)},
            {"training", layout_of(checkpoint->training)}};
  }
  const std::vector<std::uint8_t> bytes = Json::to_cbor(json);
  return {bytes.begin(), bytes.end()};
}

std::optional<Checkpoint> without_values(const std::string& description) {
  const Json json = Json::from_cbor(description);
  if (json.is_null()) return std::nullopt;
  return Checkpoint{.weights = tensors_of(json["weights"]),
                    .weights_metadata = json["metadata"],
                    .training = tensors_of(json["training"]),
                    .state = training_state_from(json["state"]),
                    .config_yaml = text_of(json["config"]),
                    .tokenizer_model = text_of(json["tokenizer"])};
}

}  // namespace

std::optional<Checkpoint> share_checkpoint(std::optional<Checkpoint> checkpoint,
                                           const Collectives& collectives) {
  if (collectives.world_size() == 1) return checkpoint;
  const bool is_sender = collectives.rank() == 0;
  const std::string description = broadcast_text(collectives, is_sender ? describe(checkpoint) : "");
  if (!is_sender) checkpoint = without_values(description);
  if (!checkpoint) return checkpoint;
  collectives.broadcast(checkpoint->weights);
  collectives.broadcast(checkpoint->training);
  return checkpoint;
}

}  // namespace cloob
