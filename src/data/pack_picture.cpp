#include "data/pack_picture.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <utility>

#include "cloob/image/decode.h"
#include "cloob/image/encode.h"
#include "cloob/image/resize.h"
#include "data/bad_image.h"

namespace cloob {
namespace {

// The suffix of what is copied; empty for a format that the Python loaders do not read from shards.
std::string suffix_of(std::string_view format) {
  if (format == "JPEG") return "jpg";
  if (format == "PNG") return "png";
  return format == "WebP" ? "webp" : "";
}

ImageSize reduced_size(ImageSize size, std::int64_t shorter_side) {
  const int shorter = std::min(size.height, size.width);
  if (shorter <= shorter_side) return size;
  const auto reduce = [&](int side) {
    return static_cast<int>(
        std::llround(static_cast<double>(side) * static_cast<double>(shorter_side) / shorter));
  };
  return {reduce(size.height), reduce(size.width)};
}

void check_whole(std::span<const std::byte> encoded) {
  constexpr int kReduction = 8;  // takes all of the file, but only an eighth of the pixels
  decode_image_reduced(encoded, kReduction);
}

std::vector<std::byte> encode(std::span<const std::byte> encoded, ImageSize size, std::int64_t quality) {
  constexpr int kMostJpegPixels = 65'500;  // of a side, in libjpeg
  if (std::max(size.height, size.width) > kMostJpegPixels) {
    throw BadSample(BadKind::too_large,
                    fmt::format("a JPEG cannot have {} x {} pixels", size.width, size.height));
  }
  ImageU8 image = decode_image(encoded);
  if (image.size() != size) image = resize(image, resize_whole(image.size(), size, ResampleFilter::bicubic));
  const std::string jpeg = encode_jpeg(image, static_cast<int>(quality));
  const auto bytes = std::as_bytes(std::span(jpeg));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

PackedPicture pack_picture(std::vector<std::byte> encoded, const PictureOptions& options) {
  try {
    const ImageSize size = checked_image_size(encoded, options.max_image_pixels);
    const ImageSize packed = options.resize ? reduced_size(size, *options.resize) : size;
    std::string suffix = suffix_of(image_format_of(encoded));
    if (packed == size && !suffix.empty()) {
      check_whole(encoded);
      return {std::move(suffix), std::move(encoded)};
    }
    return {"jpg", encode(encoded, packed, options.quality)};
  } catch (const DecodeError& error) {
    throw BadSample(bad_kind(error.kind()), error.what());
  }
}

}  // namespace cloob
