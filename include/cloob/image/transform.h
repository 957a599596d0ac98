// Converts a decoded image to the square of floats that an image tower takes as input.
#pragma once

#include <cstdint>
#include <span>

#include "cloob/base/random.h"
#include "cloob/image/image.h"
#include "cloob/image/image_config.h"
#include "cloob/image/normalize.h"
#include "cloob/image/resize.h"

namespace cloob {

/// A pure function of the image and the random stream; thread-safe.
class ImageTransform {
 public:
  virtual ~ImageTransform() = default;

  /// Writes 3 x image_size x image_size normalised floats (CHW). `chw` may be partly written when it throws.
  virtual void operator()(const ImageU8& image, RandomStream& stream, std::span<float> chw) const = 0;

  int image_size() const { return image_size_; }
  std::size_t num_floats() const {
    return 3 * static_cast<std::size_t>(image_size_) * static_cast<std::size_t>(image_size_);
  }

 protected:
  ImageTransform(const ImageConfig& config, std::int64_t image_size);
  ImageTransform(const ImageTransform&) = default;
  ImageTransform& operator=(const ImageTransform&) = default;

  const ImageConfig& config() const { return config_; }
  /// Normalises one row of RGB pixels into row `y` of the square, from column `left` on.
  void write_row(std::span<const std::uint8_t> rgb, int y, int left, std::span<float> chw) const;

 private:
  ImageConfig config_;
  int image_size_;
  Normalizer normalize_;
};

/// Random crop, then flip, colour jitter, greyscale and blur, as configured.
class TrainTransform final : public ImageTransform {
 public:
  /// Throws UserError when squash_size is smaller than the square.
  TrainTransform(const ImageConfig& config, std::int64_t image_size);
  void operator()(const ImageU8& image, RandomStream& stream, std::span<float> chw) const override;

  // The two halves of operator(), for callers that decode in between.
  /// Draws the crop of an image.
  ResizePlan draw_plan(ImageSize image, RandomStream& stream) const;
  /// Executes the plan, then draws and applies the rest.
  void apply(const ImageU8& image, ResizePlan plan, RandomStream& stream, std::span<float> chw) const;
};

/// Resizes and centres according to `resize_mode`. Draws nothing from the stream.
class EvalTransform final : public ImageTransform {
 public:
  EvalTransform(const ImageConfig& config, std::int64_t image_size);
  void operator()(const ImageU8& image, RandomStream& stream, std::span<float> chw) const override;
};

}  // namespace cloob
