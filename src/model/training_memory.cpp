#include "cloob/model/training_memory.h"

#include <ATen/ceil_div.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "cloob/model/weights.h"
#include "cloob/nn/transformer.h"
#include "model/resnet_stages.h"

namespace cloob {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kProcess = 230 * kMiB;
// Heap that is free but in pieces too small for the next tensor. Measured with glibc's allocator, which gave
// 0.1 to 0.5 of the activations; with every large tensor mapped on its own (MALLOC_MMAP_THRESHOLD_) nothing
// is left of it.
constexpr double kFragmentation = 0.2;
constexpr std::int64_t kWide = 4;  // bytes of a float32

/// What a layer holds: `wide` elements are float32 in any precision, `narrow` ones have the type of matrix
/// products.
struct Layer {
  std::int64_t parameters = 0;
  std::int64_t cast_parameters = 0;  ///< of them, those that autocast copies
  std::int64_t wide = 0;             ///< saved for one sample
  std::int64_t narrow = 0;           ///< saved for one sample
  /// For a layer that can be computed again: what is kept of it then, its input.
  std::optional<std::int64_t> wide_input = std::nullopt;
  std::optional<std::int64_t> narrow_input = std::nullopt;
  bool is_frozen = false;
};

/// Both norms keep their input, every matrix product its input, attention also what it was given and its
/// sums.
Layer transformer_block(std::int64_t tokens, std::int64_t width, std::int64_t heads) {
  const std::int64_t matrices = (3 + 1 + 2 * kMlpRatio) * width * width;
  const std::int64_t linear_biases = (3 + 1 + kMlpRatio + 1) * width;
  const std::int64_t attention = (1 + 3 + 1) * width;    // normalised input, queries, keys, values, result
  const std::int64_t mlp = (1 + 2 * kMlpRatio) * width;  // normalised input, before and after the activation
  return {.parameters = matrices + linear_biases + 4 * width,
          .cast_parameters = matrices + linear_biases,
          .wide = tokens * (2 * width + 4 + heads),
          .narrow = tokens * (attention + mlp),
          .wide_input = tokens * width};
}

/// A convolution keeps its input, a norm its own, which is the convolution's output; ReLU its output, which
/// is the next convolution's input.
Layer bottleneck(const BottleneckShape& shape, std::int64_t size) {
  const std::int64_t places = size * size;
  const std::int64_t out_places = places / (shape.stride * shape.stride);
  const std::int64_t inner = shape.inner_channels, outer = shape.out_channels();
  Layer layer{.parameters = 4 * inner + 2 * outer,
              .cast_parameters = shape.in_channels * inner + 9 * inner * inner + inner * outer,
              .wide = 0,
              .narrow = 4 * inner * places + 2 * outer * out_places,
              .narrow_input = shape.in_channels * places};
  if (shape.stride > 1) layer.narrow += inner * out_places;
  if (shape.has_downsample()) {
    layer.parameters += 2 * outer;
    layer.cast_parameters += shape.in_channels * outer;
    layer.narrow += (outer + (shape.stride > 1 ? shape.in_channels : 0)) * out_places;
  }
  layer.parameters += layer.cast_parameters;
  return layer;
}

Layer resnet_stem(const ImageEncoderConfig& image) {
  const std::int64_t pixels = 3 * image.image_size * image.image_size;
  const std::int64_t half_places = pixels / (3 * 4);
  const std::int64_t half = image.width / 2;
  const std::int64_t convolutions = 9 * half * (3 + half + image.width);
  return {.parameters = convolutions + 4 * image.width,
          .cast_parameters = convolutions,
          .wide = pixels,
          .narrow = pixels + half_places * (4 * half + 2 * image.width) + half_places / 4 * image.width};
}

Layer attention_pool(const ImageEncoderConfig& image, std::int64_t embed_dim) {
  const std::int64_t tokens = image.grid_size() * image.grid_size() + 1;
  const std::int64_t width = image.feature_width();
  const std::int64_t linear = 3 * width * (width + 1) + (width + 1) * embed_dim;
  // Under autocast keys and values each keep a narrow copy of the tokens; otherwise they share the tokens.
  return {.parameters = linear + tokens * width,
          .cast_parameters = linear,
          .wide = 0,
          .narrow = 4 * tokens * width};
}

void append_resnet(const ImageEncoderConfig& image, std::int64_t embed_dim, std::vector<Layer>& layers) {
  layers.push_back(resnet_stem(image));
  std::int64_t size = image.image_size / 4;
  for (const std::vector<BottleneckShape>& stage : resnet_stages(image)) {
    for (const BottleneckShape& shape : stage) {
      layers.push_back(bottleneck(shape, size));
      size /= shape.stride;
    }
  }
  layers.push_back(attention_pool(image, embed_dim));
}

void append_vit(const ImageEncoderConfig& image, std::int64_t embed_dim, std::vector<Layer>& layers) {
  const std::int64_t pixels = 3 * image.image_size * image.image_size;
  const std::int64_t tokens = image.grid_size() * image.grid_size() + 1;
  const std::int64_t patches = 3 * image.patch_size.value() * image.patch_size.value() * image.width;
  layers.push_back({.parameters = patches + (tokens + 3) * image.width,
                    .cast_parameters = patches,
                    .wide = pixels + tokens * image.width,
                    .narrow = 0});
  const Layer block = transformer_block(1 + image.trained_patches(), image.width, image.heads());
  layers.insert(layers.end(), static_cast<std::size_t>(image.layers.at(0)), block);
  layers.push_back({.parameters = image.width * (embed_dim + 2), .cast_parameters = image.width * embed_dim});
}

void append_text(const TextEncoderConfig& text, std::int64_t embed_dim, std::vector<Layer>& layers) {
  constexpr std::int64_t kIdWidth = 2;  // an int64 is as large as two float32
  layers.push_back({.parameters = (text.vocab_size + text.context_length) * text.width,
                    .wide = kIdWidth * text.context_length});
  const Layer block = transformer_block(text.context_length, text.width, text.heads);
  layers.insert(layers.end(), static_cast<std::size_t>(text.layers), block);
  layers.push_back({.parameters = text.width * (embed_dim + 2), .cast_parameters = text.width * embed_dim});
}

/// In the order of the forward pass.
std::vector<Layer> layers_of(const ModelConfig& config, bool image_is_frozen, bool text_is_frozen) {
  std::vector<Layer> layers;
  if (config.image.kind == ImageEncoderKind::resnet) {
    append_resnet(config.image, config.embed_dim, layers);
  } else {
    append_vit(config.image, config.embed_dim, layers);
  }
  const std::size_t num_image_layers = layers.size();
  append_text(config.text, config.embed_dim, layers);
  for (std::size_t i = 0; i < layers.size(); ++i)
    layers[i].is_frozen = i < num_image_layers ? image_is_frozen : text_is_frozen;
  return layers;
}

}  // namespace

TrainingMemory estimate_training_memory(const ModelConfig& config, const TrainingStepShape& step) {
  const bool is_wide = step.precision == Precision::fp32, is_pure = step.precision == Precision::pure_bf16;
  const std::int64_t narrow_bytes = is_wide ? kWide : kWide / 2;
  const std::int64_t matrix_bytes = is_pure ? narrow_bytes : kWide;
  const std::int64_t samples = at::ceil_div(step.batch_size, step.parts);
  const std::vector<Layer> layers = layers_of(config, step.image_is_frozen, step.text_is_frozen);
  const auto activations = [&](const Layer& layer) {
    return samples * (layer.wide * kWide + layer.narrow * narrow_bytes);
  };
  const auto kept = [&](const Layer& layer) -> std::int64_t {
    if (layer.is_frozen) return 0;
    if (!step.recompute || (!layer.wide_input && !layer.narrow_input)) return activations(layer);
    return samples * (layer.wide_input.value_or(0) * kWide + layer.narrow_input.value_or(0) * narrow_bytes);
  };
  const auto weight_bytes = [&](const Layer& layer) {
    return layer.cast_parameters * matrix_bytes + (layer.parameters - layer.cast_parameters) * kWide;
  };

  TrainingMemory memory{.process = kProcess};
  for (const Layer& layer : layers) {
    const bool has_narrow_copies = !is_wide && !is_pure;
    memory.weights += weight_bytes(layer) + (has_narrow_copies ? layer.cast_parameters * narrow_bytes : 0);
    if (step.has_average) memory.optimizer_state += layer.parameters * kWide;
    if (layer.is_frozen) continue;
    memory.gradients += weight_bytes(layer);
    memory.activations += kept(layer);
    memory.optimizer_state += 2 * layer.parameters * kWide + (is_pure ? layer.cast_parameters * kWide : 0);
  }

  // The backward pass goes through the layers from the last to the first; the gradients of a layer's
  // activations are as large as what it kept, and what was not kept is computed again by then. With more than
  // one part the gradients of the weights are there from the part before.
  std::int64_t now = memory.activations + (step.parts > 1 ? memory.gradients : 0), most = now;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    if (layer->is_frozen) continue;
    if (step.parts == 1) now += weight_bytes(*layer);
    most = std::max(most, now + 2 * activations(*layer) - kept(*layer));
    now -= kept(*layer);
  }
  memory.fragmentation = static_cast<std::int64_t>(kFragmentation * static_cast<double>(memory.activations));
  memory.peak = memory.process + memory.weights + memory.optimizer_state + memory.fragmentation +
                std::max(most, memory.gradients);
  return memory;
}

}  // namespace cloob
