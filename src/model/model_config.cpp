#include "cloob/model/model_config.h"

#include "cloob/base/error.h"

namespace cloob {
namespace {

void require_multiple(std::string_view name, std::int64_t value, std::int64_t divisor,
                      std::string_view divisor_name) {
  if (value % divisor == 0) return;
  throw_user_error("{} is {}, must be a multiple of {} ({})", name, value, divisor, divisor_name);
}

void validate_resnet(const ImageEncoderConfig& image) {
  const ImageEncoderConfig usual;
  const auto require_usual = [](std::string_view name, bool is_usual) {
    if (!is_usual) throw_user_error("model.image.{} does not apply to kind 'resnet': remove it", name);
  };
  require_usual("patch_size", !image.patch_size);
  require_usual("norm_before_blocks", image.norm_before_blocks == usual.norm_before_blocks);
  require_usual("patch_bias", image.patch_bias == usual.patch_bias);
  require_usual("norm_eps", image.norm_eps == usual.norm_eps);
  require_usual("activation", !image.activation);
  if (image.layers.size() != 4) {
    throw_user_error(
        "model.image.layers has {} numbers, a resnet needs 4: the blocks per stage, for example [3, 4, 6, 3]",
        image.layers.size());
  }
  require_multiple("model.image.width", image.width, 2, "the stem starts with half as many channels");
  require_multiple("model.image.image_size", image.image_size, 32, "the total stride of a resnet");
  require_multiple("32 * model.image.width", image.feature_width(), image.head_width,
                   "model.image.head_width");
}

void validate_vit(const ImageEncoderConfig& image) {
  if (!image.patch_size) {
    throw_user_error("model.image.patch_size is missing: kind 'vit' needs it, for example 32");
  }
  if (image.layers.size() != 1) {
    throw_user_error("model.image.layers has {} numbers, a vit needs 1: its number of blocks, for example 12",
                     image.layers.size());
  }
  require_multiple("model.image.image_size", image.image_size, *image.patch_size, "model.image.patch_size");
  require_multiple("model.image.width", image.width, image.head_width, "model.image.head_width");
}

}  // namespace

void ModelConfig::validate() const {
  image.kind == ImageEncoderKind::resnet ? validate_resnet(image) : validate_vit(image);
  require_multiple("model.text.width", text.width, text.heads, "model.text.heads");
}

}  // namespace cloob
