// WebP decoding with libwebp. Of an animation only the first frame is decoded, straight into the image: libwebp's own
// animation decoder needs three canvases.
#include <webp/decode.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "image/codec.h"

namespace cloob {
namespace {

constexpr std::string_view kName = "WebP";
constexpr std::size_t kFileHeaderBytes = 12, kChunkHeaderBytes = 8;

const std::uint8_t* data(Bytes bytes) { return reinterpret_cast<const std::uint8_t*>(bytes.data()); }

// RIFF stores its length, without the first eight bytes, in bytes 4 to 7.
bool is_truncated(Bytes bytes) {
  return bytes.size() < std::uint64_t{kChunkHeaderBytes} + little_endian(bytes, 4, 4);
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

// libwebp keeps a lossless image, and the alpha of a lossy one, as 32 bits per pixel besides its output. A lossless
// image may also have a set of Huffman codes for each block of 4 x 4 pixels, up to 65,536 sets (libwebp's encoder
// writes at most 2,600), whose tables take 6 KiB each. Only files of tens of megabytes can make them larger than that.
std::int64_t working_bytes(const WebPBitstreamFeatures& frame) {
  constexpr int kLossless = 2;
  constexpr std::int64_t kMaxCodeSets = 65'536, kBytesPerCodeSet = 6 << 10;
  const std::int64_t pixels = std::int64_t{frame.height} * frame.width;
  if (frame.format == kLossless)  // with the transforms
    return 5 * pixels + std::min(pixels / 16, kMaxCodeSets) * kBytesPerCodeSet;
  return frame.has_alpha != 0 ? 6 * pixels : 0;  // with the plane of alpha itself
}

struct Frame {
  Bytes bitstream;
  int left = 0, top = 0, width = 0, height = 0;
};

// The first frame of an animation; nullopt if there is none.
std::optional<Frame> find_first_frame(Bytes bytes) {
  constexpr std::size_t kFrameHeaderBytes = 16;
  std::size_t at = kFileHeaderBytes;
  while (bytes.size() - at >= kChunkHeaderBytes) {
    const std::uint64_t size = little_endian(bytes, at + 4, 4);
    const bool is_frame = has_signature(bytes, at, "ANMF");
    at += kChunkHeaderBytes;
    if (size > bytes.size() - at) return std::nullopt;
    if (is_frame) {
      if (size < kFrameHeaderBytes) return std::nullopt;
      const auto field = [&](std::size_t offset) {
        return static_cast<int>(little_endian(bytes, at + offset, 3));
      };
      return Frame{bytes.subspan(at + kFrameHeaderBytes, static_cast<std::size_t>(size) - kFrameHeaderBytes),
                   2 * field(0), 2 * field(3), 1 + field(6), 1 + field(9)};
    }
    at += std::min<std::size_t>(bytes.size() - at,
                                static_cast<std::size_t>(size + size % 2));  // padded to even sizes
  }
  return std::nullopt;
}

bool decode_into(Bytes bitstream, bool with_alpha, std::uint8_t* pixels, std::size_t size,
                 std::size_t stride) {
  const auto decode = with_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  return decode(data(bitstream), bitstream.size(), pixels, size, static_cast<int>(stride)) != nullptr;
}

// The canvas around the frame is transparent black, as libwebp's animation decoder and Pillow have it.
ImageU8 decode_first_frame(Bytes bytes, ImageSize canvas, bool has_alpha, PixelMemory memory) {
  const std::optional<Frame> frame = find_first_frame(bytes);
  if (is_truncated(bytes) || !frame) fail(bytes);
  WebPBitstreamFeatures features;
  const bool fits =
      WebPGetFeatures(data(frame->bitstream), frame->bitstream.size(), &features) == VP8_STATUS_OK &&
      features.has_animation == 0 && features.width == frame->width && features.height == frame->height &&
      frame->width <= canvas.width - frame->left && frame->height <= canvas.height - frame->top;
  if (!fits) fail(bytes);
  const std::int64_t channels = has_alpha ? 4 : 3;
  check_memory(kName, canvas,
               std::int64_t{canvas.height} * canvas.width * channels + working_bytes(features));
  ImageU8 image = make_image(canvas, has_alpha ? PixelMode::rgba : PixelMode::rgb, std::move(memory));
  std::ranges::fill(image.pixels, std::uint8_t{0});
  const std::size_t first = static_cast<std::size_t>(frame->top) * image.row_bytes() +
                            static_cast<std::size_t>(frame->left * channels);
  if (!decode_into(frame->bitstream, has_alpha, image.pixels.data() + first, image.pixels.size() - first,
                   image.row_bytes())) {
    fail(bytes);
  }
  return image;
}

bool matches(Bytes bytes) { return has_signature(bytes, 0, "RIFF") && has_signature(bytes, 8, "WEBP"); }

ImageSize size(Bytes bytes) {
  const WebPBitstreamFeatures features = open(bytes);
  return {features.height, features.width};
}

ImageU8 decode(Bytes bytes, PixelMemory memory) {
  const WebPBitstreamFeatures features = open(bytes);
  const ImageSize size{features.height, features.width};
  const bool has_alpha = features.has_alpha != 0;
  if (features.has_animation != 0) return decode_first_frame(bytes, size, has_alpha, std::move(memory));
  check_memory(kName, size,
               std::int64_t{size.height} * size.width * (has_alpha ? 4 : 3) + working_bytes(features));
  ImageU8 image = make_image(size, has_alpha ? PixelMode::rgba : PixelMode::rgb, std::move(memory));
  if (!decode_into(bytes, has_alpha, image.pixels.data(), image.pixels.size(), image.row_bytes()))
    fail(bytes);
  return image;
}

}  // namespace

const Codec kWebpCodec{kName, matches, size, decode};

}  // namespace cloob
