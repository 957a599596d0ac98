#include "cloob/model/training_memory.h"

#include <ATen/ceil_div.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "cloob/model/dual_encoder.h"
#include "cloob/nn/transformer.h"
#include "model/resnet_stages.h"

namespace cloob {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kProcess = 230 * kMiB;
// Free heap memory in pieces too small for the next tensor, as a fraction of the activations: 0.1 to 0.5 as
// measured with glibc's allocator, and none if every large tensor gets its own mapping
// (MALLOC_MMAP_THRESHOLD_).
constexpr double kFragmentation = 0.2;
constexpr std::int64_t kFp32Bytes = 4;

/// The memory of a layer, in elements: `fp32_*` are float32 in any precision, `compute_*` have the dtype of
/// matrix products.
struct Layer {
  std::int64_t parameters = 0;
  std::int64_t cast_parameters = 0;  ///< those of them that autocast casts
  std::int64_t fp32_saved = 0;       ///< saved activations per sample
  std::int64_t compute_saved = 0;    ///< saved activations per sample
  /// The input of a layer that gradient checkpointing can recompute: the only activation saved then.
  std::optional<std::int64_t> fp32_input = std::nullopt;
  std::optional<std::int64_t> compute_input = std::nullopt;
  bool is_frozen = false;
};

/// Saved are the inputs of both norms and of every matrix product, and the inputs, the output and the
/// log-sums of attention.
Layer transformer_block(std::int64_t tokens, std::int64_t width, std::int64_t heads) {
  const std::int64_t matrices = (3 + 1 + 2 * kMlpRatio) * width * width;
  const std::int64_t linear_biases = (3 + 1 + kMlpRatio + 1) * width;
  const std::int64_t attention = (1 + 3 + 1) * width;    // normalized input, queries, keys, values, output
  const std::int64_t mlp = (1 + 2 * kMlpRatio) * width;  // normalized input, before and after the activation
  return {.parameters = matrices + linear_biases + 4 * width,
          .cast_parameters = matrices + linear_biases,
          .fp32_saved = tokens * (2 * width + 4 + heads),
          .compute_saved = tokens * (attention + mlp),
          .fp32_input = tokens * width};
}

/// A convolution saves its input, a norm its own, which is the convolution's output, and a ReLU its output,
/// which is the next convolution's input.
Layer bottleneck(const BottleneckShape& shape, std::int64_t size) {
  const std::int64_t positions = size * size;
  const std::int64_t out_positions = positions / (shape.stride * shape.stride);
  const std::int64_t inner = shape.inner_channels, outer = shape.out_channels();
  Layer layer{.parameters = 4 * inner + 2 * outer,
              .cast_parameters = shape.in_channels * inner + 9 * inner * inner + inner * outer,
              .fp32_saved = 0,
              .compute_saved = 4 * inner * positions + 2 * outer * out_positions,
              .compute_input = shape.in_channels * positions};
  if (shape.stride > 1) layer.compute_saved += inner * out_positions;
  if (shape.has_downsample()) {
    layer.parameters += 2 * outer;
    layer.cast_parameters += shape.in_channels * outer;
    layer.compute_saved += (outer + (shape.stride > 1 ? shape.in_channels : 0)) * out_positions;
  }
  layer.parameters += layer.cast_parameters;
  return layer;
}

Layer resnet_stem(const ImageEncoderConfig& image) {
  const std::int64_t pixels = 3 * image.image_size * image.image_size;
  const std::int64_t half_positions = pixels / (3 * 4);
  const std::int64_t half = image.width / 2;
  const std::int64_t convolutions = 9 * half * (3 + half + image.width);
  return {.parameters = convolutions + 4 * image.width,
          .cast_parameters = convolutions,
          .fp32_saved = pixels,
          .compute_saved =
              pixels + half_positions * (4 * half + 2 * image.width) + half_positions / 4 * image.width};
}

Layer attention_pool(const ImageEncoderConfig& image, std::int64_t embed_dim) {
  const std::int64_t tokens = image.grid_size() * image.grid_size() + 1;
  const std::int64_t width = image.feature_width();
  const std::int64_t linear = 3 * width * (width + 1) + (width + 1) * embed_dim;
  // Under autocast, keys and values each save a cast copy of the tokens; otherwise they share the tokens.
  return {.parameters = linear + tokens * width,
          .cast_parameters = linear,
          .fp32_saved = 0,
          .compute_saved = 4 * tokens * width};
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
  const std::int64_t bias = image.patch_bias ? image.width : 0;
  const std::int64_t norm = image.norm_before_blocks ? 1 : 0;
  layers.push_back({.parameters = patches + bias + (tokens + 1 + 2 * norm) * image.width,
                    .cast_parameters = patches + bias,
                    .fp32_saved = pixels + norm * tokens * image.width,
                    .compute_saved = 0});
  const Layer block = transformer_block(1 + image.trained_patches(), image.width, image.heads());
  layers.insert(layers.end(), static_cast<std::size_t>(image.layers.at(0)), block);
  layers.push_back({.parameters = image.width * (embed_dim + 2), .cast_parameters = image.width * embed_dim});
}

void append_text(const TextEncoderConfig& text, std::int64_t embed_dim, std::vector<Layer>& layers) {
  constexpr std::int64_t kIdWidth = 2;  // an int64 takes as much as two float32
  layers.push_back({.parameters = (text.vocab_size + text.context_length) * text.width,
                    .fp32_saved = kIdWidth * text.context_length});
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
  const bool is_fp32 = step.precision == Precision::fp32, is_pure = step.precision == Precision::pure_bf16;
  const std::int64_t compute_bytes = is_fp32 ? kFp32Bytes : kFp32Bytes / 2;
  const std::int64_t matrix_bytes = is_pure ? compute_bytes : kFp32Bytes;
  const std::int64_t samples = at::ceil_div(step.batch_size, step.parts);
  const std::vector<Layer> layers = layers_of(config, step.image_is_frozen, step.text_is_frozen);
  const auto activations = [&](const Layer& layer) {
    return samples * (layer.fp32_saved * kFp32Bytes + layer.compute_saved * compute_bytes);
  };
  const auto saved = [&](const Layer& layer) -> std::int64_t {
    if (layer.is_frozen) return 0;
    if (!step.gradient_checkpointing || (!layer.fp32_input && !layer.compute_input))
      return activations(layer);
    return samples *
           (layer.fp32_input.value_or(0) * kFp32Bytes + layer.compute_input.value_or(0) * compute_bytes);
  };
  const auto weight_bytes = [&](const Layer& layer) {
    return layer.cast_parameters * matrix_bytes + (layer.parameters - layer.cast_parameters) * kFp32Bytes;
  };

  TrainingMemory memory{.process = kProcess};
  for (const Layer& layer : layers) {
    const bool has_cast_copies = !is_fp32 && !is_pure;
    memory.weights += weight_bytes(layer) + (has_cast_copies ? layer.cast_parameters * compute_bytes : 0);
    if (step.has_average) memory.optimizer_state += layer.parameters * kFp32Bytes;
    if (layer.is_frozen) continue;
    memory.gradients += weight_bytes(layer);
    memory.activations += saved(layer);
    memory.optimizer_state +=
        2 * layer.parameters * kFp32Bytes + (is_pure ? layer.cast_parameters * kFp32Bytes : 0);
  }

  // The backward pass visits the layers from the last to the first. The gradients of a layer's activations
  // are as large as the activations, and those that were not saved have been recomputed by then. With more
  // than one part, the gradients of the weights already exist from the previous part.
  std::int64_t now = memory.activations + (step.parts > 1 ? memory.gradients : 0), peak = now;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    if (layer->is_frozen) continue;
    if (step.parts == 1) now += weight_bytes(*layer);
    peak = std::max(peak, now + 2 * activations(*layer) - saved(*layer));
    now -= saved(*layer);
  }
  memory.fragmentation = static_cast<std::int64_t>(kFragmentation * static_cast<double>(memory.activations));
  memory.peak = memory.process + memory.weights + memory.optimizer_state + memory.fragmentation +
                std::max(peak, memory.gradients);
  return memory;
}

}  // namespace cloob
