// Encoded images: reading them, and which BadKind it is if they cannot be used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "cloob/data/bad_samples.h"
#include "cloob/data/source.h"
#include "cloob/image/decode.h"

namespace cloob {

/// Larger encoded images are not read.
inline constexpr std::uint64_t kMaxImageBytes = std::uint64_t{512} << 20;

/// The bytes of an image file. Throws BadSample.
std::vector<std::byte> read_image_file(const std::filesystem::path& path);

/// Whether the file has an image extension: .jpg .jpeg .png .webp .bmp, ignoring case.
bool has_image_name(const std::filesystem::path& path);

/// The kind of unusable sample that a decoding error means.
BadKind bad_kind(DecodeErrorKind kind);

/// The size of an image, from its header. Throws BadSample if it has more than `max_image_pixels`, and
/// DecodeError.
ImageSize checked_image_size(std::span<const std::byte> encoded, std::int64_t max_image_pixels);

}  // namespace cloob
