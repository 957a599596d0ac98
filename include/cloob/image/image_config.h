// Settings of decoding, augmentation and normalisation: the section `image`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "cloob/config/field.h"

namespace cloob {

enum class Interpolation { bicubic, bilinear, random };
template <>
struct EnumNames<Interpolation> {
  static constexpr std::array<std::pair<std::string_view, Interpolation>, 3> names{
      {{"bicubic", Interpolation::bicubic},
       {"bilinear", Interpolation::bilinear},
       {"random", Interpolation::random}}};
};

enum class ResizeMode { shortest, longest, squash };
template <>
struct EnumNames<ResizeMode> {
  static constexpr std::array<std::pair<std::string_view, ResizeMode>, 3> names{
      {{"shortest", ResizeMode::shortest}, {"longest", ResizeMode::longest}, {"squash", ResizeMode::squash}}};
};

enum class TrainCrop { random_resized, random_crop, evaluation };
template <>
struct EnumNames<TrainCrop> {
  static constexpr std::array<std::pair<std::string_view, TrainCrop>, 3> names{
      {{"random_resized", TrainCrop::random_resized},
       {"random_crop", TrainCrop::random_crop},
       {"evaluation", TrainCrop::evaluation}}};
};

enum class Decoding { exact, scaled };
template <>
struct EnumNames<Decoding> {
  static constexpr std::array<std::pair<std::string_view, Decoding>, 2> names{
      {{"exact", Decoding::exact}, {"scaled", Decoding::scaled}}};
};

struct ImageConfig {
  std::vector<double> mean = {0.48145466, 0.4578275, 0.40821073};
  std::vector<double> std = {0.26862954, 0.26130258, 0.27577711};
  Decoding decode = Decoding::exact;
  Interpolation interpolation = Interpolation::bicubic;
  ResizeMode resize_mode = ResizeMode::shortest;
  std::int64_t fill_color = 0;
  TrainCrop train_crop = TrainCrop::random_resized;
  std::vector<double> crop_scale = {0.9, 1.0};
  std::vector<double> crop_ratio = {3.0 / 4.0, 4.0 / 3.0};
  std::optional<std::int64_t> squash_size;
  double horizontal_flip_probability = 0.0;
  std::vector<double> color_jitter;
  double color_jitter_probability = 0.0;
  double gray_scale_probability = 0.0;
  double gaussian_blur_probability = 0.0;
  std::vector<double> gaussian_blur_sigma = {0.1, 2.0};
  bool resize_before_rgb = false;

  static constexpr auto fields() {
    return std::tuple(
        field("mean", &ImageConfig::mean,
              "Mean of red, green and blue (in [0, 1]), subtracted from every pixel. The default is "
              "OpenAI's.",
              Range{0.0, 1.0}),
        field("std", &ImageConfig::std,
              "Standard deviation of red, green and blue, by which pixels are divided after subtracting "
              "the mean. The default is OpenAI's.",
              Range{1e-6, 1e6}),
        field("decode", &ImageConfig::decode,
              "How training decodes JPEGs. exact: at full size, equal to Pillow. scaled: at a half, a "
              "quarter or an eighth of their size if the crop is then still as large as the model's "
              "input, which is faster and slightly blurrier. Evaluation is always exact."),
        field("interpolation", &ImageConfig::interpolation,
              "Filter of every resize, antialiased as in Pillow. random draws bicubic or bilinear for "
              "each training image, and evaluates with bicubic."),
        field("resize_mode", &ImageConfig::resize_mode,
              "How evaluation makes an image square. shortest: resizes the shorter side to image_size and "
              "crops the centre; longest: resizes the longer side to image_size and fills the rest; "
              "squash: resizes without keeping the aspect ratio."),
        field("fill_color", &ImageConfig::fill_color, "Grey level around the image with resize_mode longest.",
              Range{0, 255}),
        field("train_crop", &ImageConfig::train_crop,
              "How a training image is cropped. random_resized: a random box (crop_scale, crop_ratio) is "
              "resized to the square; random_crop: the entire image is squashed to squash_size and a "
              "random square is cropped; evaluation: as in evaluation, the same in every epoch."),
        field("crop_scale", &ImageConfig::crop_scale,
              "Minimum and maximum fraction of the image's area that a random_resized box covers.",
              Range{0.0, 1.0}),
        field("crop_ratio", &ImageConfig::crop_ratio,
              "Minimum and maximum aspect ratio (width / height) of a random_resized box.",
              Range{0.01, 100.0}),
        field("squash_size", &ImageConfig::squash_size,
              "Side in pixels of the square that random_crop crops from; unset means image_size plus a "
              "seventh of it (73 for 64, 256 for 224).",
              Range{1, 65536}),
        field("horizontal_flip_probability", &ImageConfig::horizontal_flip_probability,
              "Probability that a training image is mirrored. Wrong for captions that mention left and "
              "right.",
              Range{0.0, 1.0}),
        field("color_jitter", &ImageConfig::color_jitter,
              "Strengths of brightness, contrast, saturation and hue jitter in training; empty means "
              "none. A strength b draws a factor from [max(0, 1 - b), 1 + b]; the fourth is the maximum "
              "hue rotation, at most 0.5, half the colour circle.",
              Range{0.0, 100.0}),
        field("color_jitter_probability", &ImageConfig::color_jitter_probability,
              "Probability that the colours of a training image are jittered.", Range{0.0, 1.0}),
        field("gray_scale_probability", &ImageConfig::gray_scale_probability,
              "Probability that a training image is converted to greyscale.", Range{0.0, 1.0}),
        field("gaussian_blur_probability", &ImageConfig::gaussian_blur_probability,
              "Probability that a training image is blurred, after all else, as torchvision's GaussianBlur "
              "does with a kernel of 21 pixels. ProtoCLIP's authors use 0.2.",
              Range{0.0, 1.0}),
        field("gaussian_blur_sigma", &ImageConfig::gaussian_blur_sigma,
              "Minimum and maximum standard deviation of the blur, in pixels of the model's input; each "
              "blurred image draws one. What is more than 10 pixels away is cut off.",
              Range{0.0, 100.0}),
        field("resize_before_rgb", &ImageConfig::resize_before_rgb,
              "Resample before converting to RGB, as the references do for CSV data: palette images by "
              "nearest neighbour, alpha premultiplied. Only to reproduce a published run."));
  }
  /// Throws UserError for lists of the wrong length or order and for settings that contradict each other.
  void validate() const;
};
static_assert(lists_every_member<ImageConfig>);

}  // namespace cloob
