// JPEG decoding with libjpeg-turbo, with the default settings that Pillow uses.
#include <csetjmp>
#include <cstdio>
// clang-format off: jpeglib.h needs FILE and size_t
#include <jerror.h>
#include <jpeglib.h>
// clang-format on

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <span>
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
  jpeg_progress_mgr progress{};
  std::jmp_buf failed;
  bool has_too_many_scans = false;

  Decompressor() {
    info.err = jpeg_std_error(&errors);
    info.client_data = this;
    errors.error_exit = [](j_common_ptr common) { std::longjmp(of(common).failed, 1); };
    errors.emit_message = [](j_common_ptr common, int level) {
      // The data ended early. libjpeg would only warn and fill the rest with grey.
      if (level < 0 && common->err->msg_code == JWRN_JPEG_EOF) common->err->error_exit(common);
    };
    progress.progress_monitor = [](j_common_ptr common) {
      Decompressor& decompressor = of(common);
      if (decompressor.info.input_scan_number <= kMaxJpegScans) return;
      decompressor.has_too_many_scans = true;
      std::longjmp(decompressor.failed, 1);
    };
  }
  ~Decompressor() { jpeg_destroy_decompress(&info); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  static Decompressor& of(j_common_ptr common) { return *static_cast<Decompressor*>(common->client_data); }

  [[noreturn]] void fail() {
    if (has_too_many_scans) {
      throw_decode_error(DecodeErrorKind::too_large, kName,
                         fmt::format("it has more than {} scans", kMaxJpegScans));
    }
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

// Reads all scans if there are several, into coefficients.
bool start(Decompressor& decompressor) {
  if (setjmp(decompressor.failed) != 0) return false;
  decompressor.info.progress = &decompressor.progress;
  jpeg_start_decompress(&decompressor.info);
  return true;
}

bool read_pixels(Decompressor& decompressor, std::uint8_t* pixels, std::size_t row_bytes) {
  jpeg_decompress_struct& info = decompressor.info;
  if (setjmp(decompressor.failed) != 0) return false;
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

int sampled_blocks(JDIMENSION side, int factor, int max_factor) {
  const auto divided_up = [](std::int64_t value, std::int64_t by) { return (value + by - 1) / by; };
  return static_cast<int>(divided_up(std::int64_t{side} * factor, std::int64_t{max_factor} * DCTSIZE) +
                          factor - 1);
}

// The memory of the coefficients of a JPEG with several scans: two bytes each, for all of them at once. It does not
// depend on the size that is decoded to.
std::int64_t coefficient_bytes(jpeg_decompress_struct& info) {
  if (jpeg_has_multiple_scans(&info) == 0) return 0;
  const std::span components(info.comp_info, static_cast<std::size_t>(info.num_components));
  int max_h = 1, max_v = 1;
  for (const jpeg_component_info& component : components) {
    max_h = std::max(max_h, component.h_samp_factor);
    max_v = std::max(max_v, component.v_samp_factor);
  }
  std::int64_t blocks = 0;
  for (const jpeg_component_info& component : components) {
    blocks += std::int64_t{sampled_blocks(info.image_width, component.h_samp_factor, max_h)} *
              sampled_blocks(info.image_height, component.v_samp_factor, max_v);
  }
  return blocks * static_cast<std::int64_t>(sizeof(JBLOCK));
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
  const ImageSize full{static_cast<int>(info.image_height), static_cast<int>(info.image_width)};
  check_memory(kName, full,
               std::int64_t{full.height} * full.width * (is_cmyk ? 4 : 3) + coefficient_bytes(info));
  if (!start(decompressor)) decompressor.fail();
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
