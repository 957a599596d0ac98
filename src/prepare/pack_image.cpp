#include "prepare/pack_image.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <utility>

#include "cloob/data/image_files.h"
#include "cloob/image/decode.h"
#include "cloob/image/encode.h"
#include "cloob/image/resize.h"

namespace cloob {
namespace {

// The suffix of an image that is copied; empty for formats that the Python loaders do not read from shards.
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

void check_complete(std::span<const std::byte> encoded) {
  constexpr int kReduction = 8;  // reads the complete file, but computes fewer pixels
  decode_image_reduced(encoded, kReduction);
}

std::vector<std::byte> encode(std::span<const std::byte> encoded, ImageSize size, std::int64_t quality) {
  constexpr int kMaxJpegSide = 65'500;  // limit of libjpeg
  if (std::max(size.height, size.width) > kMaxJpegSide) {
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

PackedImage pack_image(std::vector<std::byte> encoded, const PackImageOptions& options) {
  try {
    const ImageSize size = checked_image_size(encoded, options.max_image_pixels);
    const ImageSize packed = options.resize ? reduced_size(size, *options.resize) : size;
    std::string suffix = suffix_of(image_format_of(encoded));
    if (packed == size && !suffix.empty()) {
      check_complete(encoded);
      return {std::move(suffix), std::move(encoded)};
    }
    return {"jpg", encode(encoded, packed, options.quality)};
  } catch (const DecodeError& error) {
    throw bad_image(error, encoded);
  }
}

}  // namespace cloob
