// The types of images that are decoded, by the ends of file names.
#pragma once

#include <array>
#include <filesystem>
#include <string_view>

namespace cloob {

inline constexpr std::array<std::string_view, 6> kImageSuffixes = {"jpg",  "jpeg", "png",
                                                                   "webp", "gif",  "bmp"};
/// The same in a message.
inline constexpr std::string_view kImageExtensions = ".jpg, .jpeg, .png, .webp, .gif or .bmp";

/// Whether the name ends in a dot and one of them, ignoring case.
bool has_image_name(const std::filesystem::path& path);

}  // namespace cloob
