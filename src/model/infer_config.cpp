#include "cloob/model/infer_config.h"

#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "cloob/base/error.h"
#include "cloob/model/dual_encoder.h"

namespace cloob {
namespace {

constexpr std::int64_t kHeadWidth = 64;

std::int64_t size_of(const NamedTensors& weights, const std::string& name, std::int64_t dimension) {
  const auto found = weights.find(name);
  if (found == weights.end()) {
    throw_user_error(
        "cannot infer the architecture: there is no tensor '{}' (first of {} tensors: '{}'); tensors must be "
        "named as in open_clip's CLIP class",
        name, weights.size(), weights.empty() ? "" : weights.begin()->first);
  }
  if (found->second.dim() <= dimension) {
    throw_user_error(
        "cannot infer the architecture: tensor '{}' has {} dimensions, at least {} were expected", name,
        found->second.dim(), dimension + 1);
  }
  if (found->second.numel() == 0) {
    throw_user_error("cannot infer the architecture: tensor '{}' is empty", name);
  }
  const std::int64_t size = found->second.size(dimension);
  constexpr std::int64_t kMaxSize = 16'777'216;  // the largest vocabulary
  if (size > kMaxSize) {
    throw_user_error(
        "cannot infer the architecture: tensor '{}' has {} in dimension {}, at most {} is supported", name,
        size, dimension, kMaxSize);
  }
  return size;
}

// The width of each of a tower's heads.
std::int64_t head_width(std::string_view tower, std::int64_t width, std::optional<std::int64_t> heads,
                        std::optional<std::int64_t> width_of_head = {}) {
  if (!heads) return width_of_head.value_or(kHeadWidth);
  if (*heads < 1 || width % *heads != 0) {
    throw_user_error("the {} tower is {} wide, which {} attention heads cannot divide", tower, width, *heads);
  }
  return width / *heads;
}

/// The number of blocks in a list: distinct name components directly after `prefix`.
std::int64_t count_blocks(const NamedTensors& weights, const std::string& prefix) {
  std::set<std::string> blocks;
  for (auto entry = weights.lower_bound(prefix); entry != weights.end() && entry->first.starts_with(prefix);
       ++entry) {
    blocks.insert(entry->first.substr(prefix.size(), entry->first.find('.', prefix.size()) - prefix.size()));
  }
  if (blocks.empty())
    throw_user_error("cannot infer the architecture: no tensor's name begins with '{}'", prefix);
  return static_cast<std::int64_t>(blocks.size());
}

std::int64_t grid_size_of(const NamedTensors& weights, const std::string& name) {
  const std::int64_t rows = size_of(weights, name, 0);
  const std::int64_t grid_size = std::lround(std::sqrt(static_cast<double>(rows - 1)));
  if (rows < 2 || grid_size * grid_size != rows - 1) {
    throw_user_error(
        "cannot infer the architecture: tensor '{}' has {} rows, one more than a square number was expected",
        name, rows);
  }
  return grid_size;
}

ImageEncoderConfig infer_vit(const NamedTensors& weights, const AttentionHeads& heads) {
  const std::int64_t patch_size = size_of(weights, "visual.conv1.weight", 3);
  return {.kind = ImageEncoderKind::vit,
          .image_size = patch_size * grid_size_of(weights, "visual.positional_embedding"),
          .layers = {count_blocks(weights, "visual.transformer.resblocks.")},
          .width = size_of(weights, "visual.conv1.weight", 0),
          .patch_size = patch_size,
          .head_width =
              head_width("image", size_of(weights, "visual.conv1.weight", 0), heads.image, heads.image_width),
          .norm_before_blocks = weights.contains("visual.ln_pre.weight"),
          .patch_bias = weights.contains("visual.conv1.bias")};
}

ImageEncoderConfig infer_resnet(const NamedTensors& weights, const AttentionHeads& heads) {
  std::vector<std::int64_t> layers;
  for (const char* stage : {"1", "2", "3", "4"}) {
    layers.push_back(count_blocks(weights, std::string("visual.layer") + stage + "."));
  }
  const std::int64_t width = size_of(weights, "visual.layer1.0.conv1.weight", 0);
  return {.kind = ImageEncoderKind::resnet,
          .image_size = 32 * grid_size_of(weights, "visual.attnpool.positional_embedding"),
          .layers = layers,
          .width = width,
          .patch_size = std::nullopt,
          .head_width = head_width("image", 32 * width, heads.image, heads.image_width)};
}

TextEncoderConfig infer_text(const NamedTensors& weights, std::optional<std::int64_t> heads) {
  const std::int64_t width = size_of(weights, "ln_final.weight", 0);
  if (!heads && width % kHeadWidth != 0) {
    throw_user_error(
        "cannot infer the number of attention heads: the text tower is {} wide, a multiple of {} was "
        "expected",
        width, kHeadWidth);
  }
  return {.context_length = size_of(weights, "positional_embedding", 0),
          .vocab_size = size_of(weights, "token_embedding.weight", 0),
          .width = width,
          .heads = width / head_width("text", width, heads),
          .layers = count_blocks(weights, "transformer.resblocks.")};
}

}  // namespace

ModelConfig infer_model_config(const NamedTensors& weights, const AttentionHeads& heads) {
  ModelConfig config;
  config.embed_dim = size_of(weights, "text_projection", 1);
  config.image = weights.contains("visual.proj") ? infer_vit(weights, heads) : infer_resnet(weights, heads);
  config.text = infer_text(weights, heads.text);
  config.validate();
  return config;
}

ParameterCount count_parameters(const ModelConfig& config) {
  const DualEncoder model(config, Initializer::shapes_only());
  ParameterCount count;
  for (const auto& [name, parameter] : model->trained_parameters()) {
    const std::int64_t size = parameter.tensor.numel();
    count.total += size;
    if (parameter.tower == Tower::image) count.image += size;
    if (parameter.tower == Tower::text) count.text += size;
  }
  return count;
}

}  // namespace cloob
