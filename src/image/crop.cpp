#include "cloob/image/crop.h"

#include <algorithm>
#include <cmath>

namespace cloob {
namespace {

// Like Python's round: ties to even, as nearbyint in the default rounding mode.
int round_to_int(double value) { return static_cast<int>(std::nearbyint(value)); }

int draw_offset(int max_offset, const UniformSource& uniform) {
  return static_cast<int>(uniform() * (max_offset + 1));
}

PixelBox central_box(ImageSize image, int height, int width) {
  return {(image.width - width) / 2, (image.height - height) / 2, width, height};
}

int centered_offset(int resized, int size) { return round_to_int((resized - size) / 2.0); }

EvalPlacement place_shortest(ImageSize image, int size, ResampleFilter filter) {
  const bool is_portrait = image.width <= image.height;
  const int shorter = is_portrait ? image.width : image.height;
  const int longer = is_portrait ? image.height : image.width;
  const int resized =
      static_cast<int>(static_cast<double>(static_cast<std::int64_t>(size) * longer) / shorter);
  ResizePlan plan =
      resize_whole(image, is_portrait ? ImageSize{resized, size} : ImageSize{size, resized}, filter);
  plan.window = {centered_offset(plan.resized.width, size), centered_offset(plan.resized.height, size), size,
                 size};
  return {plan};
}

EvalPlacement place_longest(ImageSize image, int size, ResampleFilter filter) {
  const double ratio = std::max(image.height, image.width) / static_cast<double>(size);
  const auto side = [&](int length) { return std::clamp(round_to_int(length / ratio), 1, size); };
  const ResizePlan plan = resize_whole(image, {side(image.height), side(image.width)}, filter);
  return {plan, (size - plan.resized.width) / 2, (size - plan.resized.height) / 2};
}

}  // namespace

PixelBox random_resized_crop_box(ImageSize image, const CropRanges& ranges, const UniformSource& uniform) {
  const double area = static_cast<double>(image.height) * image.width;
  const double log_min = std::log(ranges.min_ratio);
  const double log_max = std::log(ranges.max_ratio);
  constexpr int kMaxTries = 10;
  for (int attempt = 0; attempt < kMaxTries; ++attempt) {
    const double box_area = area * (ranges.min_scale + (ranges.max_scale - ranges.min_scale) * uniform());
    const double ratio = std::exp(log_min + (log_max - log_min) * uniform());
    const int width = round_to_int(std::sqrt(box_area * ratio));
    const int height = round_to_int(std::sqrt(box_area / ratio));
    if (width < 1 || width > image.width || height < 1 || height > image.height) continue;
    const int top = draw_offset(image.height - height, uniform);
    const int left = draw_offset(image.width - width, uniform);
    return {left, top, width, height};
  }
  const double ratio = static_cast<double>(image.width) / image.height;
  if (ratio < ranges.min_ratio) {
    const int height = std::max(1, round_to_int(image.width / ranges.min_ratio));
    return central_box(image, std::min(height, image.height), image.width);
  }
  if (ratio > ranges.max_ratio) {
    const int width = std::max(1, round_to_int(image.height * ranges.max_ratio));
    return central_box(image, image.height, std::min(width, image.width));
  }
  return central_box(image, image.height, image.width);
}

EvalPlacement eval_placement(ImageSize image, int image_size, ResizeMode mode, ResampleFilter filter) {
  switch (mode) {
    case ResizeMode::shortest:
      return place_shortest(image, image_size, filter);
    case ResizeMode::longest:
      return place_longest(image, image_size, filter);
    case ResizeMode::squash:
      break;
  }
  return {resize_whole(image, {image_size, image_size}, filter)};
}

}  // namespace cloob
