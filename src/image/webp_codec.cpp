// WebP decoding with libwebp.
#include <webp/decode.h>
#include <webp/demux.h>

#include <cstring>
#include <memory>
#include <utility>

#include "image/codec.h"

namespace cloob {
namespace {

constexpr std::string_view kName = "WebP";

const std::uint8_t* data(Bytes bytes) { return reinterpret_cast<const std::uint8_t*>(bytes.data()); }

// RIFF stores its length, without the first eight bytes, in bytes 4 to 7.
bool is_truncated(Bytes bytes) {
  std::uint64_t expected = 8;
  for (std::size_t i = 0; i < 4; ++i) expected += static_cast<std::uint64_t>(bytes[4 + i]) << (8 * i);
  return bytes.size() < expected;
}

[[noreturn]] void fail(Bytes bytes) {
  if (is_truncated(bytes)) {
    throw_decode_error(DecodeErrorKind::truncated, kName, "the file ends before the end of the image");
  }
  throw_decode_error(DecodeErrorKind::corrupt, kName, "damaged data");
}

WebPBitstreamFeatures open(Bytes bytes) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data(bytes), bytes.size(), &features) != VP8_STATUS_OK) fail(bytes);
  check_size(kName, features.height, features.width);
  return features;
}

ImageU8 first_frame(Bytes bytes, ImageSize size, bool has_alpha, PixelMemory memory) {
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) fail(bytes);
  options.color_mode = MODE_RGBA;
  const WebPData input{data(bytes), bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(
      WebPAnimDecoderNew(&input, &options), WebPAnimDecoderDelete);
  std::uint8_t* canvas = nullptr;
  int end_milliseconds = 0;
  if (!decoder || WebPAnimDecoderGetNext(decoder.get(), &canvas, &end_milliseconds) == 0) fail(bytes);
  ImageU8 image = make_image(size, PixelMode::rgba, std::move(memory));
  std::memcpy(image.pixels.data(), canvas, image.pixels.size());
  return has_alpha ? image : to_rgb(std::move(image));
}

bool matches(Bytes bytes) { return has_signature(bytes, 0, "RIFF") && has_signature(bytes, 8, "WEBP"); }

ImageSize size(Bytes bytes) {
  const WebPBitstreamFeatures features = open(bytes);
  return {features.height, features.width};
}

ImageU8 decode(Bytes bytes, PixelMemory memory) {
  const WebPBitstreamFeatures features = open(bytes);
  const bool has_alpha = features.has_alpha != 0;
  if (features.has_animation != 0) {
    return first_frame(bytes, {features.height, features.width}, has_alpha, std::move(memory));
  }
  ImageU8 image = make_image({features.height, features.width}, has_alpha ? PixelMode::rgba : PixelMode::rgb,
                             std::move(memory));
  const auto decode_into = has_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (decode_into(data(bytes), bytes.size(), image.pixels.data(), image.pixels.size(),
                  static_cast<int>(image.row_bytes())) == nullptr) {
    fail(bytes);
  }
  return image;
}

}  // namespace

const Codec kWebpCodec{kName, matches, size, decode};

}  // namespace cloob
