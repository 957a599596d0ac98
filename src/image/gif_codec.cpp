// The first frame of a GIF, decoded with giflib and placed on its canvas as in Pillow.
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "image/codec.h"

namespace cloob {
namespace {

constexpr std::string_view kName = "GIF";

using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

struct Reader {
  Bytes rest;
  bool is_truncated = false;
  GifFileType* gif = nullptr;
  std::optional<std::uint8_t> transparent_index = {};  // of the first frame

  explicit Reader(Bytes bytes) : rest(bytes) {
    int error = D_GIF_SUCCEEDED;
    gif = DGifOpen(this, read, &error);
    if (gif == nullptr) fail(error);
  }
  ~Reader() {
    int error = 0;
    if (gif != nullptr) DGifCloseFile(gif, &error);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // A file may end without its last, empty block: it is followed by zeros, which are valid nowhere else.
  static int read(GifFileType* file, GifByteType* into, int size) {
    auto& reader = *static_cast<Reader*>(file->UserData);
    const std::size_t wanted = static_cast<std::size_t>(size), count = std::min(wanted, reader.rest.size());
    if (count > 0) std::memcpy(into, reader.rest.data(), count);
    std::fill(into + count, into + wanted, GifByteType{0});
    reader.rest = reader.rest.subspan(count);
    if (count < wanted) reader.is_truncated = true;
    return size;
  }

  [[noreturn]] void fail(int error) const {
    if (is_truncated)
      throw_decode_error(DecodeErrorKind::truncated, kName, "the file ends before the end of the image");
    const char* what = GifErrorString(error);
    throw_decode_error(DecodeErrorKind::corrupt, kName, what != nullptr ? what : "damaged data");
  }
  void require(int result) const {
    if (result != GIF_OK) fail(gif->Error);
  }
};

void read_extension(Reader& reader) {
  int code = 0;
  GifByteType* block = nullptr;
  reader.require(DGifGetExtension(reader.gif, &code, &block));
  // Its length is in the first byte.
  if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr && block[0] >= 4 && (block[1] & 1) != 0)
    reader.transparent_index = block[4];
  while (block != nullptr) reader.require(DGifGetExtensionNext(reader.gif, &block));
}

// Reads up to the pixels of the first frame.
void find_first_frame(Reader& reader) {
  for (;;) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    reader.require(DGifGetRecordType(reader.gif, &type));
    if (type == EXTENSION_RECORD_TYPE) {
      read_extension(reader);
    } else if (type == IMAGE_DESC_RECORD_TYPE) {
      return reader.require(DGifGetImageDesc(reader.gif));
    } else {
      throw_decode_error(DecodeErrorKind::corrupt, kName, "it has no image");
    }
  }
}

// The canvas is enlarged to hold the first frame.
ImageSize canvas_size(const GifFileType& gif) {
  const GifImageDesc& frame = gif.Image;
  if (frame.Width < 1 || frame.Height < 1)
    throw_decode_error(DecodeErrorKind::corrupt, kName, "the height or width is zero");
  const ImageSize size{std::max(gif.SHeight, frame.Top + frame.Height),
                       std::max(gif.SWidth, frame.Left + frame.Width)};
  check_size(kName, size.height, size.width);
  return size;
}

ImageSize open(Reader& reader) {
  find_first_frame(reader);
  return canvas_size(*reader.gif);
}

// Indices without a colour are levels of grey.
Palette palette_of(const GifFileType& gif) {
  Palette palette;
  for (std::size_t i = 0; i < palette.size(); ++i) palette[i].fill(static_cast<std::uint8_t>(i));
  const ColorMapObject* const colors = gif.Image.ColorMap != nullptr ? gif.Image.ColorMap : gif.SColorMap;
  if (colors == nullptr) return palette;
  for (std::size_t i = 0; i < std::min(palette.size(), static_cast<std::size_t>(colors->ColorCount)); ++i)
    palette[i] = {colors->Colors[i].Red, colors->Colors[i].Green, colors->Colors[i].Blue};
  return palette;
}

bool is_grey_ramp(const Palette& palette) {
  for (std::size_t i = 0; i < palette.size(); ++i) {
    if (!std::ranges::all_of(palette[i], [i](std::uint8_t level) { return level == i; })) return false;
  }
  return true;
}

// The rows of the frame in the order in which they are stored.
std::vector<int> row_order(int height, bool interlaced) {
  constexpr std::array<std::pair<int, int>, 4> kPasses{{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  std::vector<int> rows;
  for (const auto& [first, step] : interlaced ? std::span(kPasses) : std::span(kPasses).first(1)) {
    for (int y = first; y < height; y += interlaced ? step : 1) rows.push_back(y);
  }
  return rows;
}

void put(const Palette& palette, std::span<const GifPixelType> indices, std::uint8_t* rgb) {
  for (const GifPixelType index : indices) rgb = std::ranges::copy(palette[index], rgb).out;
}

bool matches(Bytes bytes) { return has_signature(bytes, 0, "GIF87a") || has_signature(bytes, 0, "GIF89a"); }

ImageSize size(Bytes bytes) {
  Reader reader(bytes);
  return open(reader);
}

ImageU8 decode(Bytes bytes, PixelMemory memory) {
  Reader reader(bytes);
  const ImageSize canvas = open(reader);
  const GifImageDesc& frame = reader.gif->Image;
  const Palette palette = palette_of(*reader.gif);
  ImageU8 image =
      make_image(canvas, is_grey_ramp(palette) ? PixelMode::rgb : PixelMode::indexed, std::move(memory));
  if (frame.Width < canvas.width || frame.Height < canvas.height) {
    const std::vector<GifPixelType> background(static_cast<std::size_t>(canvas.width),
                                               reader.transparent_index.value_or(0));
    for (int y = 0; y < canvas.height; ++y) put(palette, background, image.row(y));
  }
  std::vector<GifPixelType> line(static_cast<std::size_t>(frame.Width));
  for (const int y : row_order(frame.Height, frame.Interlace)) {
    reader.require(DGifGetLine(reader.gif, line.data(), frame.Width));
    put(palette, line, image.row(frame.Top + y) + 3 * static_cast<std::size_t>(frame.Left));
  }
  return image;
}

}  // namespace

const Codec kGifCodec{kName, matches, size, decode};

}  // namespace cloob
