// Images in memory, and sizes and boxes in pixels.
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

/// A rectangle whose borders may lie inside pixels.
struct FractionalBox {
  double left = 0.0;
  double top = 0.0;
  double width = 0.0;
  double height = 0.0;
};

/// Meaning of the channels, which determines how an image is resampled before it becomes RGB.
enum class PixelMode {
  rgb,      ///< 3 channels
  indexed,  ///< 3 channels from a palette or a 1-bit image: colours must not be blended
  rgba,     ///< 4 channels, alpha not premultiplied
  cmyk,     ///< 4 channels, 255 is full ink
};

/// 8-bit pixels in row-major order, channels interleaved (HWC). `mode` is rgb except for images returned by
/// `decode_image_as_stored`.
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

/// Pixels of an earlier image, whose memory is reused for the next one: page faults in new memory for a large
/// image cost as much time as decoding into it.
using PixelMemory = std::vector<std::uint8_t>;

/// Takes the memory out of an image that is no longer needed, for the next one. Memory above 64 MiB is freed instead:
/// a thread that has met one huge image does not keep it.
PixelMemory memory_for_next(ImageU8 image);

/// An image of zeros, or with the previous content of `memory`.
ImageU8 make_image(ImageSize size, PixelMode mode, PixelMemory memory = {});

}  // namespace cloob
