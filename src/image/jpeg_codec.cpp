// JPEG decoding with libjpeg-turbo, with the default settings that Pillow uses.
#include <csetjmp>
#include <cstdio>
// clang-format off: jpeglib.h needs FILE and size_t
#include <jerror.h>
#include <jpeglib.h>
// clang-format on

#include <string>
#include <utility>

#include "image/codec.h"

namespace cloob {
namespace {

constexpr std::string_view kName = "JPEG";

// libjpeg reports errors by a call that must not return, so longjmp leaves it. That runs no destructors: the
// functions below that call setjmp own nothing.
struct Decompressor {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  std::jmp_buf failed;

  Decompressor() {
    info.err = jpeg_std_error(&errors);
    info.client_data = this;
    errors.error_exit = [](j_common_ptr common) { std::longjmp(of(common).failed, 1); };
    errors.emit_message = [](j_common_ptr common, int level) {
      // The data ended early. libjpeg would only warn and fill the rest with grey.
      if (level < 0 && common->err->msg_code == JWRN_JPEG_EOF) common->err->error_exit(common);
    };
  }
  ~Decompressor() { jpeg_destroy_decompress(&info); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  static Decompressor& of(j_common_ptr common) { return *static_cast<Decompressor*>(common->client_data); }

  [[noreturn]] void fail() {
    if (errors.msg_code == JWRN_JPEG_EOF) {
      throw_decode_error(DecodeErrorKind::truncated, kName, "the file ends before the end of the image");
    }
    char message[JMSG_LENGTH_MAX];
    errors.format_message(reinterpret_cast<j_common_ptr>(&info), message);
    throw_decode_error(DecodeErrorKind::corrupt, kName, message);
  }
};

bool read_header(Decompressor& decompressor, Bytes bytes) {
  if (setjmp(decompressor.failed) != 0) return false;
  jpeg_create_decompress(&decompressor.info);
  jpeg_mem_src(&decompressor.info, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&decompressor.info, TRUE);
  return true;
}

bool read_pixels(Decompressor& decompressor, std::uint8_t* pixels, std::size_t row_bytes) {
  jpeg_decompress_struct& info = decompressor.info;
  if (setjmp(decompressor.failed) != 0) return false;
  jpeg_start_decompress(&info);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = pixels + info.output_scanline * row_bytes;
    jpeg_read_scanlines(&info, &row, 1);
  }
  return true;  // data after the last row is not needed, so jpeg_finish_decompress is not called
}

void open(Decompressor& decompressor, Bytes bytes) {
  if (!read_header(decompressor, bytes)) decompressor.fail();
  check_size(kName, decompressor.info.image_height, decompressor.info.image_width);
}

bool matches(Bytes bytes) { return has_signature(bytes, 0, "\xff\xd8\xff"); }

ImageSize size(Bytes bytes) {
  Decompressor decompressor;
  open(decompressor, bytes);
  return {static_cast<int>(decompressor.info.image_height), static_cast<int>(decompressor.info.image_width)};
}

ImageU8 decode_reduced(Bytes bytes, int reduction, PixelMemory memory) {
  Decompressor decompressor;
  open(decompressor, bytes);
  jpeg_decompress_struct& info = decompressor.info;
  info.scale_num = 1;
  info.scale_denom = static_cast<unsigned>(reduction);
  const auto reduced = [&](JDIMENSION side) { return (static_cast<int>(side) + reduction - 1) / reduction; };
  const bool is_cmyk = info.num_components == 4;
  // libjpeg converts grey to RGB and YCCK to CMYK.
  info.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  ImageU8 image = make_image({reduced(info.image_height), reduced(info.image_width)},
                             is_cmyk ? PixelMode::cmyk : PixelMode::rgb, std::move(memory));
  if (!read_pixels(decompressor, image.pixels.data(), image.row_bytes())) decompressor.fail();
  if (is_cmyk) {
    // Adobe stores inks inverted, and files without Adobe's marker are rare: Pillow assumes all are inverted.
    for (std::uint8_t& ink : image.pixels) ink = static_cast<std::uint8_t>(255 - ink);
  }
  return image;
}

ImageU8 decode(Bytes bytes, PixelMemory memory) { return decode_reduced(bytes, 1, std::move(memory)); }

}  // namespace

const Codec kJpegCodec{kName, matches, size, decode, decode_reduced};

}  // namespace cloob
