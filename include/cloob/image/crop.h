// Crops and resizes of images, as pure functions of the image size and, in training, of random numbers.
#pragma once

#include <functional>

#include "cloob/image/image.h"
#include "cloob/image/image_config.h"
#include "cloob/image/resize.h"

namespace cloob {

/// Draws from [0, 1).
using UniformSource = std::function<double()>;

struct CropRanges {
  double min_scale, max_scale;  ///< fraction of the image's area
  double min_ratio, max_ratio;  ///< width / height
};

/// The box of torchvision's RandomResizedCrop: up to ten draws of area and log aspect ratio, the first box
/// that fits is placed at random; after ten failures, the largest centred box of an allowed ratio. Draws in
/// the order area, ratio, then top, left.
PixelBox random_resized_crop_box(ImageSize image, const CropRanges& ranges, const UniformSource& uniform);

/// How evaluation makes an image square: resize by `plan`, then place the result at (left, top) of the
/// square.
struct EvalPlacement {
  ResizePlan plan;
  int left = 0;
  int top = 0;
};

/// open_clip's evaluation: shortest (longer side truncated, centre crop rounded with ties to even), longest
/// (sides rounded with ties to even, at least 1; centred) and squash.
EvalPlacement eval_placement(ImageSize image, int image_size, ResizeMode mode, ResampleFilter filter);

}  // namespace cloob
