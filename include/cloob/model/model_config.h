// Section `model`: the architecture of both towers. configs/model holds the usual ones.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "cloob/config/field.h"
#include "cloob/nn/activation.h"

namespace cloob {

enum class ImageEncoderKind { resnet, vit };

template <>
struct EnumNames<ImageEncoderKind> {
  static constexpr std::array<std::pair<std::string_view, ImageEncoderKind>, 2> names{
      {{"resnet", ImageEncoderKind::resnet}, {"vit", ImageEncoderKind::vit}}};
};

struct ImageEncoderConfig {
  ImageEncoderKind kind = ImageEncoderKind::resnet;
  std::int64_t image_size = 224;
  std::vector<std::int64_t> layers = {3, 4, 6, 3};
  std::int64_t width = 64;
  std::optional<std::int64_t> patch_size;
  std::int64_t head_width = 64;
  double patch_dropout = 0;

  static constexpr auto fields() {
    return std::tuple(
        field("kind", &ImageEncoderConfig::kind,
              "resnet is CLIP's modified ResNet with attention pooling, vit a vision transformer."),
        field("image_size", &ImageEncoderConfig::image_size,
              "Rows and columns of the input in pixels: a multiple of 32 for a resnet, of patch_size for a "
              "vit.",
              Range{1, 4096}),
        field("layers", &ImageEncoderConfig::layers,
              "For a resnet the number of blocks in each of the four stages, for a vit the number of blocks.",
              Range{1, 1000}),
        field("width", &ImageEncoderConfig::width,
              "For a resnet the channels after the stem (features before pooling are 32 times as wide), for "
              "a vit the "
              "width of its residual stream.",
              Range{1, 65536}),
        field("patch_size", &ImageEncoderConfig::patch_size,
              "Rows and columns of a vit's patches in pixels; a resnet has none.", Range{1, 4096}),
        field("head_width", &ImageEncoderConfig::head_width,
              "Features of one attention head: of every block of a vit, of the pooling layer of a resnet.",
              Range{1, 65536}),
        field("patch_dropout", &ImageEncoderConfig::patch_dropout,
              "Share of a vit's patches that training leaves out, drawn anew for every image and step.",
              Range{0.0, 0.99}));
  }

  /// Features that attention pooling sees in a resnet; the residual stream of a vit.
  std::int64_t feature_width() const { return kind == ImageEncoderKind::resnet ? 32 * width : width; }
  std::int64_t heads() const { return feature_width() / head_width; }
  /// Rows and columns of the feature map or of the patches. For a validated config.
  std::int64_t grid_size() const {
    return image_size / (kind == ImageEncoderKind::resnet ? 32 : patch_size.value());
  }
  /// Patches of an image that training encodes: what `patch_dropout` leaves, at least one. For a validated
  /// ViT.
  std::int64_t trained_patches() const {
    const auto left = static_cast<double>(grid_size() * grid_size()) * (1 - patch_dropout);
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(left));
  }
};
static_assert(lists_every_member<ImageEncoderConfig>);

struct TextEncoderConfig {
  std::int64_t context_length = 77;
  std::int64_t vocab_size = 49408;
  std::int64_t width = 512;
  std::int64_t heads = 8;
  std::int64_t layers = 12;

  static constexpr auto fields() {
    return std::tuple(
        field("context_length", &TextEncoderConfig::context_length,
              "The most tokens of a text, start and end included.", Range{2, 65536}),
        field("vocab_size", &TextEncoderConfig::vocab_size,
              "Rows of the token table: what the tokenizer's ids need.", Range{1, 16'777'216}),
        field("width", &TextEncoderConfig::width, "Width of the residual stream.", Range{1, 65536}),
        field("heads", &TextEncoderConfig::heads, "Attention heads of a block; must divide the width.",
              Range{1, 65536}),
        field("layers", &TextEncoderConfig::layers, "Transformer blocks of the text tower.", Range{1, 1000}));
  }
};
static_assert(lists_every_member<TextEncoderConfig>);

struct ModelConfig {
  std::string name = "RN50";
  std::int64_t embed_dim = 1024;
  Activation activation = Activation::gelu;
  ImageEncoderConfig image;
  TextEncoderConfig text;
  bool round_init_to_fp16 = false;

  static constexpr auto fields() {
    return std::tuple(field("name", &ModelConfig::name, "What reports call this architecture."),
                      field("embed_dim", &ModelConfig::embed_dim,
                            "Width of the features that images and texts share.", Range{1, 65536}),
                      field("activation", &ModelConfig::activation,
                            "Non-linearity of the transformers' MLPs. It cannot be seen in a weights file: "
                            "OpenAI's and CLOOB's models "
                            "use quick_gelu, open_clip's use gelu unless their name ends in quickgelu."),
                      field("image", &ModelConfig::image, "The image tower."),
                      field("text", &ModelConfig::text, "The text tower."),
                      field("round_init_to_fp16", &ModelConfig::round_init_to_fp16,
                            "Round the initial weights of convolutions, linear layers and projections to "
                            "half precision, as the "
                            "published CLOOB code does. For repeating its runs."));
  }

  /// Rules between settings. Throws UserError.
  void validate() const;
};
static_assert(lists_every_member<ModelConfig>);

}  // namespace cloob
