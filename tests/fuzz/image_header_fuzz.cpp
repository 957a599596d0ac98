// Arbitrary bytes as an image file: the header and, if it states a small image, the pixels.
#include "cloob/image/decode.h"
#include "fuzz_support.h"

namespace cloob {
namespace {

using fuzz::require;

constexpr std::int64_t kMaxPixels = 1 << 14;  // bounds time and memory of one input

std::int64_t num_pixels(const ImageSize& size) { return std::int64_t{size.height} * size.width; }

void check_image(const ImageU8& image, const ImageSize& size) {
  require(image.size() == size, "a decoded image has the expected size");
  require(image.pixels.size() == static_cast<std::size_t>(size.height) * image.row_bytes(),
          "an image has exactly its pixels");
}

void check_decoding(std::span<const std::byte> bytes, const ImageSize& size) {
  const ImageU8 stored = decode_image_as_stored(bytes);
  check_image(stored, size);
  const ImageU8 rgb = decode_image(bytes, PixelMemory(stored.pixels.size() + 5, 0xa5));
  check_image(rgb, size);
  require(rgb.mode == PixelMode::rgb, "decode_image gives RGB");
  require(rgb.pixels == to_rgb(stored).pixels, "no pixel keeps the previous content of its memory");
  for (const int reduction : {1, 2, 4, 8}) {
    const ImageU8 reduced = decode_image_reduced(bytes, reduction);
    const auto side = [&](int pixels) { return (pixels + reduction - 1) / reduction; };
    const bool is_reduced = reduced.size() != size;
    check_image(reduced, is_reduced ? ImageSize{side(size.height), side(size.width)} : size);
    require(reduction != 1 || reduced.pixels == rgb.pixels, "a reduction by 1 changes nothing");
  }
}

}  // namespace
}  // namespace cloob

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cloob;
  const auto bytes = fuzz::as_bytes(data, size);
  try {
    const ImageSize image_size = image_size_of(bytes);
    fuzz::require(image_size.height >= 1 && image_size.width >= 1, "a header with no pixels is rejected");
    fuzz::require(num_pixels(image_size) <= kMaxImagePixels, "a header with too many pixels is rejected");
    if (num_pixels(image_size) <= kMaxPixels) check_decoding(bytes, image_size);
  } catch (const DecodeError&) {
  }
  return 0;
}
