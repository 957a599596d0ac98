// Colour adjustments of 8-bit RGB images, as in Pillow and torchvision.
#pragma once

#include <array>

#include "cloob/base/random.h"
#include "cloob/image/image.h"

namespace cloob {

/// Multiplies all channels.
void adjust_brightness(ImageU8& image, double factor);
/// Blends with the image's mean grey level: 0 gives a flat image, 1 changes nothing.
void adjust_contrast(ImageU8& image, double factor);
/// Blends with the greyscale image: 0 is grey, 1 changes nothing.
void adjust_saturation(ImageU8& image, double factor);
/// Rotates hues by the fraction `shift` of the colour circle, in [-0.5, 0.5]; goes through 8-bit HSV, so that
/// even 0 changes pixels slightly.
void adjust_hue(ImageU8& image, double shift);
/// Pillow's luma (ITU-R 601-2) in all three channels.
void to_grayscale(ImageU8& image);

enum class ColorOperation { brightness, contrast, saturation, hue };

/// One random draw of the colour jitter: operations in the order in which they are applied.
struct ColorJitter {
  std::array<ColorOperation, 4> order;
  std::array<double, 4> factors;  ///< indexed by ColorOperation
  std::array<bool, 4> enabled;    ///< likewise; a strength of 0 disables its operation
};

/// `strengths` are those of brightness, contrast, saturation and hue: factors are drawn from [max(0, 1 - b),
/// 1 + b], the hue shift from [-h, h].
ColorJitter draw_color_jitter(const std::array<double, 4>& strengths, RandomStream& stream);

void apply_color_jitter(ImageU8& image, const ColorJitter& jitter);

}  // namespace cloob
