#include "cloob/image/image_config.h"

#include <string_view>

#include "cloob/base/error.h"

namespace cloob {
namespace {

void check_length(std::string_view name, const std::vector<double>& list, std::size_t length) {
  if (list.size() == length) return;
  throw_user_error("image.{} has {} value{}, needs {}", name, list.size(), list.size() == 1 ? "" : "s",
                   length);
}

void check_range(std::string_view name, const std::vector<double>& range) {
  check_length(name, range, 2);
  if (range[0] <= range[1]) return;
  throw_user_error("image.{} is [{}, {}]: the smaller value must come first", name, range[0], range[1]);
}

// Training images are then transformed by the evaluation code, which supports none of these.
void check_not_random(const ImageConfig& config) {
  const auto reject = [](std::string_view setting) {
    throw_user_error("image.{} is set, but image.train_crop evaluation is not random: remove one of them",
                     setting);
  };
  if (config.horizontal_flip_probability > 0) reject("horizontal_flip_probability");
  if (config.color_jitter_probability > 0) reject("color_jitter_probability");
  if (config.gray_scale_probability > 0) reject("gray_scale_probability");
  if (config.gaussian_blur_probability > 0) reject("gaussian_blur_probability");
  if (config.interpolation == Interpolation::random) reject("interpolation random");
  if (config.decode == Decoding::scaled) {
    throw_user_error(
        "image.decode is scaled, but image.train_crop evaluation decodes exactly, as evaluation does: remove "
        "one of them");
  }
}

}  // namespace

void ImageConfig::validate() const {
  check_length("mean", mean, 3);
  check_length("std", std, 3);
  if (decode == Decoding::scaled && resize_before_rgb) {
    throw_user_error(
        "image.resize_before_rgb reproduces published runs exactly, image.decode scaled does not: set only "
        "one of them");
  }
  check_range("crop_scale", crop_scale);
  check_range("crop_ratio", crop_ratio);
  if (crop_scale[0] <= 0.0)
    throw_user_error("image.crop_scale begins with 0: it must be positive, an empty box cannot be resized");
  check_range("gaussian_blur_sigma", gaussian_blur_sigma);
  if (gaussian_blur_sigma[0] <= 0.0)
    throw_user_error("image.gaussian_blur_sigma begins with 0: it must be positive (0.1 blurs nothing)");
  if (squash_size && train_crop != TrainCrop::random_crop) {
    throw_user_error("image.squash_size has no effect with image.train_crop {}: remove it or set random_crop",
                     enum_name(train_crop));
  }
  if (train_crop == TrainCrop::evaluation) check_not_random(*this);
  if (color_jitter.empty()) {
    if (color_jitter_probability == 0.0) return;
    throw_user_error(
        "image.color_jitter_probability is {}, but image.color_jitter is empty: set its four strengths",
        color_jitter_probability);
  }
  check_length("color_jitter", color_jitter, 4);
  if (color_jitter[3] > 0.5) {
    throw_user_error("image.color_jitter rotates hues by up to {}: its fourth value must be in [0, 0.5]",
                     color_jitter[3]);
  }
  if (color_jitter_probability == 0.0) {
    throw_user_error(
        "image.color_jitter is set, but image.color_jitter_probability is 0: set it too (open_clip's recipes "
        "use 0.8)");
  }
}

}  // namespace cloob
