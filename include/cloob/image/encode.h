// Encodes RGB images as PNG and JPEG.
#pragma once

#include <string>

#include "cloob/image/image.h"

namespace cloob {

/// The bytes of a PNG file.
std::string encode_png(const ImageU8& image);

/// The bytes of a JPEG file with 4:2:0 chroma. `quality` is 1..100.
std::string encode_jpeg(const ImageU8& image, int quality);

}  // namespace cloob
