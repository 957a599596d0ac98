// Any bytes as an image file: the header, and where that states a small picture, the pixels.
#include "cloob/image/decode.h"
#include "fuzz_support.h"

namespace cloob {
namespace {

using fuzz::require;

constexpr std::int64_t kMostPixels = 1 << 14;  // bounds time and memory of one input

std::int64_t num_pixels(const ImageSize& size) { return std::int64_t{size.height} * size.width; }

void check_picture(const ImageU8& image, const ImageSize& size) {
  require(image.size() == size, "a decoded picture has the size that was expected");
  require(image.pixels.size() == static_cast<std::size_t>(size.height) * image.row_bytes(),
          "a picture has all of its pixels and no more");
}

void check_decoding(std::span<const std::byte> bytes, const ImageSize& size) {
  const ImageU8 stored = decode_image_as_stored(bytes);
  check_picture(stored, size);
  const ImageU8 rgb = decode_image(bytes, PixelMemory(stored.pixels.size() + 5, 0xa5));
  check_picture(rgb, size);
  require(rgb.mode == PixelMode::rgb, "decode_image gives RGB");
  require(rgb.pixels == to_rgb(stored).pixels, "no pixel keeps what was in its memory before");
  for (const int reduction : {1, 2, 4, 8}) {
    const ImageU8 reduced = decode_image_reduced(bytes, reduction);
    const auto side = [&](int pixels) { return (pixels + reduction - 1) / reduction; };
    const bool is_reduced = reduced.size() != size;
    check_picture(reduced, is_reduced ? ImageSize{side(size.height), side(size.width)} : size);
    require(reduction != 1 || reduced.pixels == rgb.pixels, "a reduction by 1 changes nothing");
  }
}

}  // namespace
}  // namespace cloob

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cloob;
  const auto bytes = fuzz::as_bytes(data, size);
  try {
    const ImageSize picture = image_size_of(bytes);
    fuzz::require(picture.height >= 1 && picture.width >= 1, "a header with no pixels is refused");
    fuzz::require(num_pixels(picture) <= kMaxImagePixels, "a header with too many pixels is refused");
    if (num_pixels(picture) <= kMostPixels) check_decoding(bytes, picture);
  } catch (const DecodeError&) {
  }
  return 0;
}
