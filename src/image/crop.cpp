#include "cloob/image/crop.h"

#include <algorithm>
#include <cmath>

namespace cloob {
namespace {

// Python's round: ties go to the even number, as nearbyint does in the default rounding mode.
int round_to_int(double value) { return static_cast<int>(std::nearbyint(value)); }

int draw_offset(int room, const UniformSource& uniform) { return static_cast<int>(uniform() * (room + 1)); }

PixelBox central_box(ImageSize picture, int height, int width) {
  return {(picture.width - width) / 2, (picture.height - height) / 2, width, height};
}

int centered_offset(int resized, int size) { return round_to_int((resized - size) / 2.0); }

EvalPlacement place_shortest(ImageSize picture, int size, ResampleFilter filter) {
  const bool upright = picture.width <= picture.height;
  const int shorter = upright ? picture.width : picture.height;
  const int longer = upright ? picture.height : picture.width;
  const int resized =
      static_cast<int>(static_cast<double>(static_cast<std::int64_t>(size) * longer) / shorter);
  ResizePlan plan =
      resize_whole(picture, upright ? ImageSize{resized, size} : ImageSize{size, resized}, filter);
  plan.window = {centered_offset(plan.resized.width, size), centered_offset(plan.resized.height, size), size,
                 size};
  return {plan};
}

EvalPlacement place_longest(ImageSize picture, int size, ResampleFilter filter) {
  const double ratio = std::max(picture.height, picture.width) / static_cast<double>(size);
  const auto side = [&](int length) { return std::clamp(round_to_int(length / ratio), 1, size); };
  const ResizePlan plan = resize_whole(picture, {side(picture.height), side(picture.width)}, filter);
  return {plan, (size - plan.resized.width) / 2, (size - plan.resized.height) / 2};
}

}  // namespace

PixelBox random_resized_crop_box(ImageSize picture, const CropRanges& ranges, const UniformSource& uniform) {
  const double area = static_cast<double>(picture.height) * picture.width;
  const double log_min = std::log(ranges.min_ratio);
  const double log_max = std::log(ranges.max_ratio);
  constexpr int kMostTries = 10;
  for (int attempt = 0; attempt < kMostTries; ++attempt) {
    const double box_area = area * (ranges.min_scale + (ranges.max_scale - ranges.min_scale) * uniform());
    const double ratio = std::exp(log_min + (log_max - log_min) * uniform());
    const int width = round_to_int(std::sqrt(box_area * ratio));
    const int height = round_to_int(std::sqrt(box_area / ratio));
    if (width < 1 || width > picture.width || height < 1 || height > picture.height) continue;
    const int top = draw_offset(picture.height - height, uniform);
    const int left = draw_offset(picture.width - width, uniform);
    return {left, top, width, height};
  }
  const double ratio = static_cast<double>(picture.width) / picture.height;
  if (ratio < ranges.min_ratio) {
    const int height = std::max(1, round_to_int(picture.width / ranges.min_ratio));
    return central_box(picture, std::min(height, picture.height), picture.width);
  }
  if (ratio > ranges.max_ratio) {
    const int width = std::max(1, round_to_int(picture.height * ranges.max_ratio));
    return central_box(picture, picture.height, std::min(width, picture.width));
  }
  return central_box(picture, picture.height, picture.width);
}

EvalPlacement eval_placement(ImageSize picture, int image_size, ResizeMode mode, ResampleFilter filter) {
  switch (mode) {
    case ResizeMode::shortest:
      return place_shortest(picture, image_size, filter);
    case ResizeMode::longest:
      return place_longest(picture, image_size, filter);
    case ResizeMode::squash:
      break;
  }
  return {resize_whole(picture, {image_size, image_size}, filter)};
}

}  // namespace cloob
