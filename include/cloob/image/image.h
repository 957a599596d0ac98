// Pictures in memory, and sizes and boxes in pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cloob {

struct ImageSize {
  int height = 0;
  int width = 0;
  bool operator==(const ImageSize&) const = default;
};

/// A rectangle of pixels; (0, 0) is the upper left corner.
struct PixelBox {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
  bool operator==(const PixelBox&) const = default;
};

/// A rectangle whose borders may lie within pixels.
struct FractionalBox {
  double left = 0.0;
  double top = 0.0;
  double width = 0.0;
  double height = 0.0;
};

/// What the channels of a picture mean, which decides how it is resampled before it becomes RGB.
enum class PixelMode {
  rgb,      ///< 3 channels
  indexed,  ///< 3 channels that came from a palette or from one bit: colours must not be mixed
  rgba,     ///< 4 channels, alpha not premultiplied
  cmyk,     ///< 4 channels, 255 is full ink
};

/// 8-bit pixels, row by row, channels interleaved (HWC). `mode` is rgb for every picture of this room but
/// those that `decode_image_as_stored` returns.
struct ImageU8 {
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> pixels;
  PixelMode mode = PixelMode::rgb;

  int channels() const { return mode == PixelMode::rgb || mode == PixelMode::indexed ? 3 : 4; }
  ImageSize size() const { return {height, width}; }
  std::size_t row_bytes() const {
    return static_cast<std::size_t>(width) * static_cast<std::size_t>(channels());
  }
  const std::uint8_t* row(int y) const { return pixels.data() + static_cast<std::size_t>(y) * row_bytes(); }
  std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * row_bytes(); }
};

/// Pixels of an earlier picture, whose memory the next one takes over: fresh pages of a large picture cost as
/// much time as decoding into them.
using PixelMemory = std::vector<std::uint8_t>;

/// A picture of zeros, or of whatever `memory` holds.
ImageU8 make_image(ImageSize size, PixelMode mode, PixelMemory memory = {});

}  // namespace cloob
