// Changes of colour on 8-bit RGB pictures, as Pillow and torchvision make them.
#pragma once

#include <array>

#include "cloob/base/random.h"
#include "cloob/image/image.h"

namespace cloob {

/// Multiplies all channels.
void adjust_brightness(ImageU8& image, double factor);
/// Blends with the picture's mean grey: 0 is flat, 1 changes nothing.
void adjust_contrast(ImageU8& image, double factor);
/// Blends with the picture's grey version: 0 is grey, 1 changes nothing.
void adjust_saturation(ImageU8& image, double factor);
/// Turns hues by `shift` of the colour circle, in [-0.5, 0.5]; through 8-bit HSV, so even 0 changes pixels a
/// little.
void adjust_hue(ImageU8& image, double shift);
/// Pillow's luma (ITU-R 601-2) in all three channels.
void to_grayscale(ImageU8& image);

enum class ColorOperation { brightness, contrast, saturation, hue };

/// One draw of the jitter: operations in the order in which they are applied.
struct ColorJitter {
  std::array<ColorOperation, 4> order;
  std::array<double, 4> factors;  ///< indexed by ColorOperation
  std::array<bool, 4> enabled;    ///< likewise; a strength of 0 leaves its operation out
};

/// Strengths of brightness, contrast, saturation, hue: factors from [max(0, 1 - b), 1 + b], the shift from
/// [-h, h].
ColorJitter draw_color_jitter(const std::array<double, 4>& strengths, RandomStream& stream);

void apply_color_jitter(ImageU8& image, const ColorJitter& jitter);

}  // namespace cloob
