#include "cloob/model/model_config.h"

#include "cloob/base/error.h"

namespace cloob {
namespace {

void require_multiple(std::string_view name, std::int64_t value, std::string_view divisor_name,
                      std::int64_t divisor) {
  if (value % divisor == 0) return;
  throw_user_error("{} is {}, must be a multiple of {} ({})", name, value, divisor_name, divisor);
}

void validate_resnet(const ImageEncoderConfig& image) {
  if (image.patch_size)
    throw_user_error("model.image.patch_size has no meaning for kind 'resnet': remove it");
  if (image.layers.size() != 4) {
    throw_user_error(
        "model.image.layers has {} numbers, a resnet needs 4: its blocks in each stage, for example [3, 4, "
        "6, 3]",
        image.layers.size());
  }
  require_multiple("model.image.width", image.width, "the stem's halving", 2);
  require_multiple("model.image.image_size", image.image_size, "the resnet's total stride", 32);
  require_multiple("32 * model.image.width", image.feature_width(), "model.image.head_width",
                   image.head_width);
}

void validate_vit(const ImageEncoderConfig& image) {
  if (!image.patch_size)
    throw_user_error("model.image.patch_size is missing: kind 'vit' needs it, for example 32");
  if (image.layers.size() != 1) {
    throw_user_error("model.image.layers has {} numbers, a vit needs 1: its number of blocks, for example 12",
                     image.layers.size());
  }
  require_multiple("model.image.image_size", image.image_size, "model.image.patch_size", *image.patch_size);
  require_multiple("model.image.width", image.width, "model.image.head_width", image.head_width);
}

}  // namespace

void ModelConfig::validate() const {
  image.kind == ImageEncoderKind::resnet ? validate_resnet(image) : validate_vit(image);
  require_multiple("model.text.width", text.width, "model.text.heads", text.heads);
}

}  // namespace cloob
