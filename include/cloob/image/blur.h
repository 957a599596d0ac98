// Gaussian blur of 8-bit RGB images, as in torchvision.
#pragma once

#include "cloob/image/image.h"

namespace cloob {

/// Taps of the kernel along one axis. A `sigma` above 3 is cut off by it.
inline constexpr int kBlurTaps = 21;

/// torchvision's `gaussian_blur` with a kernel of kBlurTaps, in single precision and rounded with ties to even. `sigma`, in
/// pixels, must be positive. Pixels outside of the image are reflected at its border, which itself is not repeated. An image
/// of fewer than 11 pixels per side, which torchvision refuses, is reflected to and fro as often as needed. Thread-safe.
void gaussian_blur(ImageU8& image, double sigma);

}  // namespace cloob
