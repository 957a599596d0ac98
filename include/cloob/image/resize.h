// Resampling, bit for bit as Pillow 13 does it for 8-bit pixels.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "cloob/image/image.h"
#include "cloob/image/image_config.h"

namespace cloob {

enum class ResampleFilter { bilinear, bicubic };

/// Cuts `crop` out of a picture, resizes it to `resized`, keeps `window` of the result and may mirror that;
/// only what the window needs is computed.
struct ResizePlan {
  PixelBox crop;
  ImageSize resized;
  PixelBox window;
  ResampleFilter filter = ResampleFilter::bicubic;
  bool mirrored = false;  ///< left and right change places
  /// What of the crop is resized, counted from its upper left corner, as Pillow's `resize(box=...)` counts:
  /// all of it if unset. Not for indexed pictures.
  std::optional<FractionalBox> part = {};
};

/// The whole picture to `size`.
ResizePlan resize_whole(ImageSize picture, ImageSize size, ResampleFilter filter);

/// By how much a JPEG may be reduced when it is decoded (1, 2, 4 or 8), so that the crop of `plan` still has
/// as many pixels as it is resized to.
int largest_reduction(const ResizePlan& plan);

/// The plan for the picture at 1/`reduction` of its size: the same part of it, to the fraction of a pixel.
ResizePlan on_reduced_picture(ResizePlan plan, int reduction);

/// Receives row `y` of the window: RGB, 3 bytes a pixel. The bytes are gone after the call.
using RowSink = std::function<void(int y, std::span<const std::uint8_t> row)>;

/// Runs the plan and hands out the rows from top to bottom. A picture that is not RGB yet is resampled as
/// Pillow resamples that mode, and then converted.
///
/// Separable, antialiased, rounded to 8 bits between the passes, weights with 22 fractional bits, the order
/// of the passes as in Pillow 13. Thread-safe.
void resize_rows(const ImageU8& image, const ResizePlan& plan, const RowSink& sink);

/// The same into a picture.
ImageU8 resize(const ImageU8& image, const ResizePlan& plan);

}  // namespace cloob
