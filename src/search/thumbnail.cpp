#include "cloob/search/thumbnail.h"

#include <algorithm>
#include <cmath>

#include "cloob/image/decode.h"
#include "cloob/image/encode.h"
#include "cloob/image/resize.h"

namespace cloob {
namespace {

constexpr int kQuality = 85;

}  // namespace

std::string make_thumbnail(std::span<const std::byte> encoded) {
  const ImageSize size = image_size_of(encoded);
  const double scale = std::min(1.0, static_cast<double>(kThumbnailSide) / std::max(size.height, size.width));
  const auto scaled = [&](int length) { return std::max(1, static_cast<int>(std::lround(scale * length))); };
  const ResizePlan plan =
      resize_whole(size, {scaled(size.height), scaled(size.width)}, ResampleFilter::bicubic);
  const int reduction = image_format_of(encoded) == "JPEG" ? largest_reduction(plan) : 1;
  return encode_jpeg(resize(decode_image_reduced(encoded, reduction), on_reduced_image(plan, reduction)),
                     kQuality);
}

std::string blank_thumbnail() {
  constexpr int kSide = 96;
  constexpr std::uint8_t kGray = 160;
  ImageU8 image = make_image({kSide, kSide}, PixelMode::rgb);
  std::ranges::fill(image.pixels, kGray);
  return encode_jpeg(image, kQuality);
}

}  // namespace cloob
