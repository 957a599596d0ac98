// Resampling of 8-bit pixels, bit for bit as in Pillow 13.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "cloob/image/image.h"
#include "cloob/image/image_config.h"

namespace cloob {

enum class ResampleFilter { bilinear, bicubic };

/// Crops `crop` from an image, resizes it to `resized`, keeps `window` of the result and optionally mirrors
/// it; only pixels that the window needs are computed.
struct ResizePlan {
  PixelBox crop;
  ImageSize resized;
  PixelBox window;
  ResampleFilter filter = ResampleFilter::bicubic;
  bool mirrored = false;  ///< flipped horizontally
  /// The part of the crop that is resized, relative to its upper left corner, like the box of Pillow's
  /// `resize(box=...)`; all of it if unset. Not supported for indexed images.
  std::optional<FractionalBox> part = {};
};

/// Resizes the entire image to `size`.
ResizePlan resize_whole(ImageSize image, ImageSize size, ResampleFilter filter);

/// The largest factor (1, 2, 4 or 8) by which a JPEG may be reduced when it is decoded, so that the crop of
/// `plan` is still at least as large as the size it is resized to.
int largest_reduction(const ResizePlan& plan);

/// The same plan for the image at 1/`reduction` of its size: the same part of it, with subpixel accuracy.
ResizePlan on_reduced_image(ResizePlan plan, int reduction);

/// Receives row `y` of the window: RGB, 3 bytes per pixel. The bytes are valid only during the call.
using RowSink = std::function<void(int y, std::span<const std::uint8_t> row)>;

/// Executes the plan and passes the rows to `sink` from top to bottom. An image that is not RGB is resampled
/// as Pillow resamples that mode, and then converted.
///
/// Separable, antialiased, rounded to 8 bits between the passes, with weights of 22 fractional bits and the
/// passes in the order of Pillow 13. Thread-safe.
void resize_rows(const ImageU8& image, const ResizePlan& plan, const RowSink& sink);

/// The same, into an image.
ImageU8 resize(const ImageU8& image, const ResizePlan& plan);

}  // namespace cloob
