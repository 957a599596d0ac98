// The codecs used by decode_image, one source file each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "cloob/image/decode.h"

namespace cloob {

using Bytes = std::span<const std::byte>;

struct Codec {
  std::string_view name;
  bool (*matches)(Bytes bytes);    ///< judging by the first bytes
  ImageSize (*size)(Bytes bytes);  ///< from the header
  ImageU8 (*decode_as_stored)(Bytes bytes, PixelMemory memory);
  ImageU8 (*decode_reduced)(Bytes bytes, int reduction, PixelMemory memory) = nullptr;  ///< JPEG only
};

extern const Codec kJpegCodec;
extern const Codec kPngCodec;
extern const Codec kWebpCodec;
extern const Codec kGifCodec;
extern const Codec kBmpCodec;

/// Whether `bytes` contains `signature` at `offset`.
bool has_signature(Bytes bytes, std::size_t offset, std::string_view signature);

/// The unsigned number in `count` bytes at `offset`, lowest byte first. The bytes must be there.
std::uint32_t little_endian(Bytes bytes, std::size_t offset, std::size_t count);

[[noreturn]] void throw_decode_error(DecodeErrorKind kind, std::string_view codec, std::string_view what);

/// Throws when an image of this size cannot be decoded.
void check_size(std::string_view codec, std::int64_t height, std::int64_t width);

/// Throws unless pixels and the codec's own memory together are at most kMaxDecodeBytes. Called before either is
/// allocated.
void check_memory(std::string_view codec, ImageSize size, std::int64_t bytes);

}  // namespace cloob
