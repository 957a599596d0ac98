// BMP by OpenCV. The header is looked at here, because OpenCV reports broken files on standard error.
#include <cstdlib>
#include <opencv2/imgcodecs.hpp>

#include "image/codec.h"
#include "image/mat.h"

namespace cloob {
namespace {

constexpr std::string_view kName = "BMP";
constexpr std::size_t kHeaderBytes = 54;

std::uint32_t little_endian(Bytes bytes, std::size_t offset, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value |= static_cast<std::uint32_t>(bytes[offset + i]) << (8 * i);
  return value;
}

bool matches(Bytes bytes) { return has_signature(bytes, 0, "BM"); }

ImageSize size(Bytes bytes) {
  if (bytes.size() < kHeaderBytes) throw_decode_error(DecodeErrorKind::truncated, kName, "no whole header");
  if (little_endian(bytes, 14, 4) < 40) {
    throw_decode_error(DecodeErrorKind::unsupported_format, kName, "an OS/2 header is not supported");
  }
  const std::int64_t width = static_cast<std::int32_t>(little_endian(bytes, 18, 4));
  const std::int64_t height =
      std::llabs(static_cast<std::int32_t>(little_endian(bytes, 22, 4)));  // negative: top down
  check_size(kName, height, width);
  return {static_cast<int>(height), static_cast<int>(width)};
}

ImageU8 decode(Bytes bytes) {
  const auto [height, width] = size(bytes);
  const std::uint64_t first_pixel = little_endian(bytes, 10, 4);
  const std::uint64_t bits = little_endian(bytes, 28, 2);
  const std::uint32_t compression = little_endian(bytes, 30, 4);
  if (compression != 0 && compression != 3) {
    throw_decode_error(DecodeErrorKind::unsupported_format, kName, "compressed pixels are not supported");
  }
  const std::uint64_t row_bytes = (static_cast<std::uint64_t>(width) * bits + 31) / 32 * 4;
  if (bytes.size() < first_pixel + row_bytes * static_cast<std::uint64_t>(height)) {
    throw_decode_error(DecodeErrorKind::truncated, kName, "the file ends before the picture does");
  }
  const cv::Mat input(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<std::byte*>(bytes.data()));
  const cv::Mat bgr = cv::imdecode(input, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  if (bgr.rows != height || bgr.cols != width)
    throw_decode_error(DecodeErrorKind::corrupt, kName, "damaged data");
  return from_bgr(bgr);
}

}  // namespace

const Codec kBmpCodec{kName, matches, size, decode};

}  // namespace cloob
