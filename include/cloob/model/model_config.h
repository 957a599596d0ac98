// Section `model`: the architecture of both towers. configs/model contains the common ones.
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
  bool norm_before_blocks = true;
  bool patch_bias = false;
  double norm_eps = 1e-5;
  std::optional<Activation> activation = std::nullopt;

  static constexpr auto fields() {
    return std::tuple(
        field("kind", &ImageEncoderConfig::kind,
              "resnet is CLIP's modified ResNet with attention pooling, vit a vision transformer."),
        field("image_size", &ImageEncoderConfig::image_size,
              "Height and width of the input in pixels: a multiple of 32 for a resnet, of patch_size for a "
              "vit.",
              Range{1, 4096}),
        field("layers", &ImageEncoderConfig::layers,
              "For a resnet the number of blocks in each of the four stages, for a vit the number of blocks.",
              Range{1, 1000}),
        field("width", &ImageEncoderConfig::width,
              "For a resnet the number of channels after the stem (features before pooling are 32 times as "
              "wide), for a vit the width of the residual stream.",
              Range{1, 65536}),
        field("patch_size", &ImageEncoderConfig::patch_size,
              "Height and width of a vit's patches in pixels; a resnet has none.", Range{1, 4096}),
        field("head_width", &ImageEncoderConfig::head_width,
              "Features per attention head, in every block of a vit and in the attention pooling of a "
              "resnet.",
              Range{1, 65536}),
        field("patch_dropout", &ImageEncoderConfig::patch_dropout,
              "Fraction of a vit's patches that training drops, chosen at random for every image and step.",
              Range{0.0, 0.99}),
        field("norm_before_blocks", &ImageEncoderConfig::norm_before_blocks,
              "Whether a vit normalizes the embedded patches before its first block, as CLIP does and SLIP "
              "does not."),
        field("patch_bias", &ImageEncoderConfig::patch_bias,
              "Whether the embedding of a vit's patches has a bias, as in SLIP."),
        field(
            "norm_eps", &ImageEncoderConfig::norm_eps,
            "What a vit's layer norms add to the variance: 1e-5 in CLIP, 1e-6 in SLIP. It cannot be inferred "
            "from a weights file.",
            Range{1e-12, 1.0}),
        field(
            "activation", &ImageEncoderConfig::activation,
            "Activation function of a vit's MLPs; unset means model.activation. SLIP's image tower has gelu, "
            "its text tower quick_gelu."));
  }

  /// Width of the features before attention pooling in a resnet, of the residual stream in a vit.
  std::int64_t feature_width() const { return kind == ImageEncoderKind::resnet ? 32 * width : width; }
  std::int64_t heads() const { return feature_width() / head_width; }
  /// Rows and columns of the feature map or of the patch grid. The config must be valid.
  std::int64_t grid_size() const {
    return image_size / (kind == ImageEncoderKind::resnet ? 32 : patch_size.value());
  }
  /// Patches of an image that training encodes after `patch_dropout`, at least one. The config must be a
  /// valid vit.
  std::int64_t trained_patches() const {
    const auto remaining = static_cast<double>(grid_size() * grid_size()) * (1 - patch_dropout);
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(remaining));
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
              "Maximum number of tokens of a text, start and end tokens included.", Range{2, 65536}),
        field("vocab_size", &TextEncoderConfig::vocab_size,
              "Rows of the token embedding table; must cover all ids of the tokenizer.",
              Range{1, 16'777'216}),
        field("width", &TextEncoderConfig::width, "Width of the residual stream.", Range{1, 65536}),
        field("heads", &TextEncoderConfig::heads, "Attention heads per block; must divide the width.",
              Range{1, 65536}),
        field("layers", &TextEncoderConfig::layers, "Transformer blocks of the text tower.", Range{1, 1000}));
  }
};
static_assert(lists_every_member<TextEncoderConfig>);

struct ModelConfig {
  std::int64_t embed_dim = 1024;
  Activation activation = Activation::gelu;
  ImageEncoderConfig image;
  TextEncoderConfig text;
  bool round_init_to_fp16 = false;

  static constexpr auto fields() {
    return std::tuple(field("embed_dim", &ModelConfig::embed_dim,
                            "Dimension of the shared image and text features.", Range{1, 65536}),
                      field("activation", &ModelConfig::activation,
                            "Activation function of the transformers' MLPs, unless model.image.activation "
                            "gives the image tower its own. It cannot be inferred from a "
                            "weights file: OpenAI's and CLOOB's models use quick_gelu, open_clip's use gelu "
                            "unless their name ends in quickgelu."),
                      field("image", &ModelConfig::image, "The image tower."),
                      field("text", &ModelConfig::text, "The text tower."),
                      field("round_init_to_fp16", &ModelConfig::round_init_to_fp16,
                            "Round the initial weights of convolutions, linear layers and projections to "
                            "fp16, as the published CLOOB code does; for reproducing its runs."));
  }

  /// Of the image tower's MLPs.
  Activation image_activation() const { return image.activation.value_or(activation); }

  /// Checks rules between settings. Throws UserError.
  void validate() const;
};
static_assert(lists_every_member<ModelConfig>);

}  // namespace cloob
