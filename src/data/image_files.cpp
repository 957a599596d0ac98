#include "cloob/data/image_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/foreign_content.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/limits.h"

namespace cloob {
namespace {

class ImageFileSource final : public Source {
 public:
  explicit ImageFileSource(std::vector<std::filesystem::path> files) : files_(std::move(files)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  RawSample read(std::int64_t index) const override {
    return {describe(index), read_image_file(file(index)), {}};
  }
  std::string describe(std::int64_t index) const override { return file(index).string(); }

 private:
  const std::filesystem::path& file(std::int64_t index) const {
    return files_.at(static_cast<std::size_t>(index));
  }

  std::vector<std::filesystem::path> files_;
};

BadKind bad_kind(DecodeErrorKind kind) {
  switch (kind) {
    case DecodeErrorKind::not_an_image:
      return BadKind::not_an_image;
    case DecodeErrorKind::unsupported_format:
      return BadKind::unsupported_format;
    case DecodeErrorKind::truncated:
    case DecodeErrorKind::corrupt:
      return BadKind::damaged_image;
    case DecodeErrorKind::too_large:
      return BadKind::too_large;
  }
  return BadKind::damaged_image;
}

}  // namespace

std::vector<std::byte> read_image_file(const std::filesystem::path& path) {
  try {
    const RandomAccessFile file(path);
    require_at_most(kMaxEncodedBytes, file.size(), fmt::format("'{}'", path.string()));
    std::vector<std::byte> bytes(static_cast<std::size_t>(file.size()));
    file.read(0, bytes);
    return bytes;
  } catch (const UserError& failure) {
    std::error_code error;
    const bool exists = std::filesystem::exists(path, error);
    throw BadSample(exists ? BadKind::unreadable : BadKind::missing_file, failure.what());
  }
}

void UndecodedFiles::add(const std::filesystem::path& path) {
  constexpr std::array<std::string_view, 15> kTypes = {".tif", ".tiff", ".avif", ".heic", ".heif",
                                                       ".ppm", ".pgm",  ".pbm",  ".pnm",  ".jp2",
                                                       ".jxl", ".tga",  ".svg",  ".psd",  ".ico"};
  const std::string extension = to_lower_ascii(path.extension().string());
  if (std::ranges::find(kTypes, extension) != kTypes.end()) ++counts_[extension];
}

std::string UndecodedFiles::describe() const {
  std::vector<std::string> parts;
  for (const auto& [extension, count] : counts_)
    parts.push_back(fmt::format("{} {}", with_thousands(count), extension));
  return join(parts, ", ");
}

std::shared_ptr<const Source> make_image_file_source(std::vector<std::filesystem::path> files) {
  return std::make_shared<ImageFileSource>(std::move(files));
}

BadSample bad_image(const DecodeError& error, std::span<const std::byte> encoded) {
  const std::string_view bytes(reinterpret_cast<const char*>(encoded.data()),
                               std::min(encoded.size(), kForeignContentBytes));
  if (error.kind() == DecodeErrorKind::not_an_image) {
    if (const auto what = describe_foreign_content(bytes))
      return {BadKind::not_downloaded, fmt::format("the image is {}", *what)};
  }
  return {bad_kind(error.kind()), error.what()};
}

ImageSize checked_image_size(std::span<const std::byte> encoded, std::int64_t max_image_pixels) {
  const ImageSize size = image_size_of(encoded);
  if (std::int64_t{size.height} * size.width > max_image_pixels) {
    throw BadSample(BadKind::too_large, fmt::format("{} x {} pixels, data.max_image_pixels is {}", size.width,
                                                    size.height, with_thousands(max_image_pixels)));
  }
  return size;
}

}  // namespace cloob
