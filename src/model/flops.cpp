#include "cloob/model/flops.h"

#include "cloob/nn/transformer.h"
#include "model/resnet_stages.h"

// All helpers count multiply-adds.
namespace cloob {
namespace {

std::int64_t transformer(std::int64_t layers, std::int64_t tokens, std::int64_t width) {
  const std::int64_t projections = tokens * width * width * (3 + 1 + 2 * kMlpRatio);
  const std::int64_t attention = 2 * tokens * tokens * width;
  return layers * (projections + attention);
}

/// A convolution with a square kernel whose output has `size` rows and columns.
std::int64_t convolution(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel,
                         std::int64_t size) {
  return in_channels * out_channels * kernel * kernel * size * size;
}

std::int64_t bottleneck(const BottleneckShape& shape, std::int64_t size) {
  const std::int64_t out_size = size / shape.stride;
  return convolution(shape.in_channels, shape.inner_channels, 1, size) +
         convolution(shape.inner_channels, shape.inner_channels, 3, size) +
         convolution(shape.inner_channels, shape.out_channels(), 1, out_size) +
         (shape.has_downsample() ? convolution(shape.in_channels, shape.out_channels(), 1, out_size) : 0);
}

std::int64_t attention_pool(const ImageEncoderConfig& image, std::int64_t embed_dim) {
  const std::int64_t tokens = image.grid_size() * image.grid_size() + 1;
  const std::int64_t width = image.feature_width();
  const std::int64_t query = width * width;
  const std::int64_t keys_and_values = 2 * tokens * width * width;
  return query + keys_and_values + 2 * tokens * width + width * embed_dim;
}

std::int64_t resnet(const ImageEncoderConfig& image, std::int64_t embed_dim) {
  const std::int64_t half = image.width / 2;
  std::int64_t size = image.image_size / 2;
  std::int64_t count = convolution(3, half, 3, size) + convolution(half, half, 3, size) +
                       convolution(half, image.width, 3, size);
  size /= 2;
  for (const std::vector<BottleneckShape>& stage : resnet_stages(image)) {
    for (const BottleneckShape& shape : stage) {
      count += bottleneck(shape, size);
      size /= shape.stride;
    }
  }
  return count + attention_pool(image, embed_dim);
}

std::int64_t vit(const ImageEncoderConfig& image, std::int64_t embed_dim) {
  const std::int64_t tokens = image.grid_size() * image.grid_size() + 1;
  return convolution(3, image.width, image.patch_size.value(), image.grid_size()) +
         transformer(image.layers.at(0), tokens, image.width) + image.width * embed_dim;
}

}  // namespace

Flops count_flops(const ModelConfig& config) {
  const std::int64_t image = config.image.kind == ImageEncoderKind::vit
                                 ? vit(config.image, config.embed_dim)
                                 : resnet(config.image, config.embed_dim);
  const std::int64_t text = transformer(config.text.layers, config.text.context_length, config.text.width) +
                            config.text.width * config.embed_dim;
  return {.image = 2 * image, .text = 2 * text};
}

}  // namespace cloob
