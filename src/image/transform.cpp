#include "cloob/image/transform.h"

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/image/blur.h"
#include "cloob/image/color.h"
#include "cloob/image/crop.h"
#include "cloob/image/resize.h"

namespace cloob {
namespace {

int checked_size(std::int64_t image_size) {
  CLOOB_CHECK(image_size >= 1 && image_size <= 65536, "an image size of {}", image_size);
  return static_cast<int>(image_size);
}

const ImageConfig& checked(const ImageConfig& config) {
  config.validate();
  return config;
}

ResampleFilter fixed_filter(Interpolation interpolation) {
  return interpolation == Interpolation::bilinear ? ResampleFilter::bilinear : ResampleFilter::bicubic;
}

ResampleFilter draw_filter(Interpolation interpolation, RandomStream& stream) {
  if (interpolation != Interpolation::random) return fixed_filter(interpolation);
  return stream.bernoulli(0.5) ? ResampleFilter::bilinear : ResampleFilter::bicubic;
}

int squash_size(const ImageConfig& config, int image_size) {
  return config.squash_size ? static_cast<int>(*config.squash_size) : image_size + image_size / 7;
}

void draw_and_apply_colors(const ImageConfig& config, ImageU8& image, RandomStream& stream) {
  if (stream.bernoulli(config.color_jitter_probability)) {
    const std::vector<double>& s = config.color_jitter;
    apply_color_jitter(image, draw_color_jitter({s[0], s[1], s[2], s[3]}, stream));
  }
  if (stream.bernoulli(config.gray_scale_probability)) to_grayscale(image);
}

// The last draws, and none if there is no blur: it changes nothing else about an image.
void draw_and_apply_blur(const ImageConfig& config, ImageU8& image, RandomStream& stream) {
  if (config.gaussian_blur_probability == 0.0 || !stream.bernoulli(config.gaussian_blur_probability)) return;
  gaussian_blur(image, stream.uniform(config.gaussian_blur_sigma[0], config.gaussian_blur_sigma[1]));
}

bool changes_pixels(const ImageConfig& config) {
  return config.color_jitter_probability > 0.0 || config.gray_scale_probability > 0.0 ||
         config.gaussian_blur_probability > 0.0;
}

}  // namespace

ImageTransform::ImageTransform(const ImageConfig& config, std::int64_t image_size)
    : config_(checked(config)),
      image_size_(checked_size(image_size)),
      normalize_(std::span<const double, 3>(config_.mean), std::span<const double, 3>(config_.std)) {}

void ImageTransform::write_row(std::span<const std::uint8_t> rgb, int y, int left,
                               std::span<float> chw) const {
  const auto side = static_cast<std::size_t>(image_size_);
  normalize_(rgb, chw.data() + static_cast<std::size_t>(y) * side + static_cast<std::size_t>(left),
             side * side);
}

TrainTransform::TrainTransform(const ImageConfig& config, std::int64_t image_size)
    : ImageTransform(config, image_size) {
  CLOOB_CHECK(config.train_crop != TrainCrop::evaluation,
              "evaluation crops are not random: use EvalTransform");
  if (config.gaussian_blur_probability == 0.0 &&
      config.gaussian_blur_sigma != ImageConfig{}.gaussian_blur_sigma) {
    log_warning("image", "image.gaussian_blur_sigma has no effect with image.gaussian_blur_probability 0");
  }
  if (config.train_crop == TrainCrop::random_resized) return;
  if (squash_size(config, ImageTransform::image_size()) < image_size) {
    throw_user_error(
        "image.squash_size is {}, but the model's images have {} pixels per side: it must be at least that",
        *config.squash_size, image_size);
  }
  if (config.crop_scale != ImageConfig{}.crop_scale || config.crop_ratio != ImageConfig{}.crop_ratio) {
    log_warning("image",
                "image.crop_scale and image.crop_ratio have no effect with image.train_crop random_crop");
  }
}

ResizePlan TrainTransform::draw_plan(ImageSize image, RandomStream& stream) const {
  const ResampleFilter filter = draw_filter(config().interpolation, stream);
  if (config().train_crop == TrainCrop::random_crop) {
    const int side = squash_size(config(), image_size());
    ResizePlan plan = resize_whole(image, {side, side}, filter);
    const auto draw = [&] {
      return static_cast<int>(stream.below(static_cast<std::uint64_t>(side - image_size() + 1)));
    };
    const int top = draw();
    plan.window = {draw(), top, image_size(), image_size()};
    return plan;
  }
  ResizePlan plan = resize_whole(image, {image_size(), image_size()}, filter);
  const CropRanges ranges{config().crop_scale[0], config().crop_scale[1], config().crop_ratio[0],
                          config().crop_ratio[1]};
  plan.crop = random_resized_crop_box(image, ranges, [&stream] { return stream.uniform(); });
  return plan;
}

void TrainTransform::operator()(const ImageU8& image, RandomStream& stream, std::span<float> chw) const {
  apply(image, draw_plan(image.size(), stream), stream, chw);
}

void TrainTransform::apply(const ImageU8& image, ResizePlan plan, RandomStream& stream,
                           std::span<float> chw) const {
  CLOOB_CHECK(chw.size() == num_floats(), "{} floats for {} pixels per side", chw.size(), image_size());
  plan.mirrored = stream.bernoulli(config().horizontal_flip_probability);
  if (!changes_pixels(config())) {
    resize_rows(image, plan, [&](int y, std::span<const std::uint8_t> row) { write_row(row, y, 0, chw); });
    return;
  }
  ImageU8 square = resize(image, plan);
  draw_and_apply_colors(config(), square, stream);
  draw_and_apply_blur(config(), square, stream);
  for (int y = 0; y < square.height; ++y) write_row({square.row(y), square.row_bytes()}, y, 0, chw);
}

EvalTransform::EvalTransform(const ImageConfig& config, std::int64_t image_size)
    : ImageTransform(config, image_size) {}

void EvalTransform::operator()(const ImageU8& image, RandomStream&, std::span<float> chw) const {
  CLOOB_CHECK(chw.size() == num_floats(), "{} floats for {} pixels per side", chw.size(), image_size());
  const auto [plan, left, top] =
      eval_placement(image.size(), image_size(), config().resize_mode, fixed_filter(config().interpolation));
  if (plan.window.width < image_size() || plan.window.height < image_size()) {
    const std::vector<std::uint8_t> fill(3 * static_cast<std::size_t>(image_size()),
                                         static_cast<std::uint8_t>(config().fill_color));
    for (int y = 0; y < image_size(); ++y) write_row(fill, y, 0, chw);
  }
  resize_rows(image, plan, [&, left = left, top = top](int y, std::span<const std::uint8_t> row) {
    write_row(row, top + y, left, chw);
  });
}

}  // namespace cloob
