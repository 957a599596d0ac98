#include "cloob/image/decode.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "cloob/base/files.h"
#include "cloob/base/random.h"
#include "cloob/image/encode.h"
#include "cloob/image/resize.h"
#include "support/support.h"

namespace cloob {
namespace {

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string golden(const std::string& name) { return read_file(testing::golden_path("image/" + name)); }

DecodeErrorKind failure(std::string_view file) {
  try {
    decode_image(as_bytes(file));
  } catch (const DecodeError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.kind();
  }
  ADD_FAILURE() << "decoded";
  return DecodeErrorKind::not_an_image;
}

std::string without_end(const std::string& file, std::size_t bytes) {
  return file.substr(0, file.size() - bytes);
}

TEST(Decode, ReportsTruncatedFiles) {
  for (const std::string name : {"jpeg_420.jpg", "jpeg_progressive.jpg", "jpeg_grey.jpg", "jpeg_cmyk.jpg"}) {
    for (const std::size_t bytes : {1u, 2u, 3u, 50u, 200u}) {
      EXPECT_EQ(failure(without_end(golden(name), bytes)), DecodeErrorKind::truncated)
          << name << " without " << bytes;
    }
  }
  for (const std::string name :
       {"png_rgb.png", "png_interlaced.png", "webp_lossy.webp", "webp_lossless.webp", "webp_animated.webp",
        "gif_palette.gif", "gif_interlaced.gif", "bmp_rgb.bmp"}) {
    EXPECT_EQ(failure(without_end(golden(name), 100)), DecodeErrorKind::truncated) << name;
  }
  for (const std::string name :
       {"jpeg_420.jpg", "png_rgb.png", "webp_lossy.webp", "gif_palette.gif", "bmp_rgb.bmp"}) {
    EXPECT_EQ(failure(golden(name).substr(0, 20)), DecodeErrorKind::truncated) << name;
  }
}

TEST(Decode, AcceptsAPngWithoutItsEndChunk) {
  const std::string file = golden("png_rgb.png");
  constexpr std::size_t kEndChunk = 12;
  EXPECT_EQ(decode_image(as_bytes(without_end(file, kEndChunk))).pixels, decode_image(as_bytes(file)).pixels);
}

TEST(Decode, RecognizesFilesThatAreNotImages) {
  EXPECT_EQ(failure(""), DecodeErrorKind::not_an_image);
  EXPECT_EQ(failure("<!DOCTYPE html><html>404 Not Found</html>"), DecodeErrorKind::not_an_image);
}

TEST(Decode, NamesFormatsThatAreNotDecoded) {
  const auto message = [](std::string_view file) -> std::string {
    try {
      decode_image(as_bytes(file));
    } catch (const DecodeError& error) {
      EXPECT_EQ(error.kind(), DecodeErrorKind::unsupported_format);
      return error.what();
    }
    return "decoded";
  };
  using namespace std::string_view_literals;
  for (const auto& [format, file] :
       std::vector<std::pair<std::string, std::string_view>>{{"TIFF", "II*\0\x08\0\0\0"sv},
                                                             {"TIFF", "MM\0*\0\0\0\x08"sv},
                                                             {"AVIF",
                                                              "\0\0\0\x1c"
                                                              "ftypavif\0\0\0\0"sv},
                                                             {"AVIF",
                                                              "\0\0\0\x1c"
                                                              "ftypmif1\0\0\0\0miafavif"sv},
                                                             {"HEIF",
                                                              "\0\0\0\x1c"
                                                              "ftypheic\0\0\0\0mif1heic"sv},
                                                             {"JPEG XL", "\xff\x0a\x12\x34"sv},
                                                             {"PNM", "P6\n2 2\n255\n"sv}}) {
    const std::string found = message(file);
    EXPECT_TRUE(found.starts_with(format + " is not decoded") && found.find("convert") != std::string::npos)
        << found;
  }
}

TEST(Decode, AcceptsAGifWithoutItsEnd) {
  const std::string file = golden("gif_palette.gif");
  constexpr std::size_t kEnd = 2;  // the empty block after the pixels, and the trailer
  EXPECT_EQ(decode_image(as_bytes(without_end(file, kEnd))).pixels, decode_image(as_bytes(file)).pixels);
}

TEST(Decode, ReportsDamagedData) {
  std::string png = golden("png_rgb.png");
  png[png.size() / 2] = static_cast<char>(png[png.size() / 2] ^ 0x55);
  EXPECT_EQ(failure(png), DecodeErrorKind::corrupt);
  std::string webp = golden("webp_lossless.webp");
  std::fill(webp.begin() + 25, webp.begin() + 200, '\xff');
  EXPECT_EQ(failure(webp), DecodeErrorKind::corrupt);
}

TEST(Decode, RejectsSizesThatWouldExhaustMemory) {
  std::string png = golden("png_rgb.png");
  png.replace(16, 8, std::string_view("\0\1\0\0\0\1\0\0", 8));  // 65,536 x 65,536
  EXPECT_EQ(failure(png), DecodeErrorKind::too_large);
  EXPECT_THROW(image_size_of(as_bytes(png)), DecodeError);
  std::string bmp = golden("bmp_rgb.bmp");
  bmp.replace(18, 8, std::string_view("\1\0\0\0\x41\x42\x0f\0", 8));  // 1 x 1,000,001
  EXPECT_EQ(failure(bmp), DecodeErrorKind::too_large);
}

TEST(Decode, ReadsTheSizeFromTheHeader) {
  const ImageSize size{31, 45};
  for (const std::string name :
       {"jpeg_exif_rotated.jpg", "png_rgba.png", "webp_lossy_alpha.webp", "bmp_palette.bmp"}) {
    const std::string file = golden(name);
    const std::size_t header = name.starts_with("jpeg") ? file.find("\xff\xda") + 14 : 64;
    EXPECT_EQ(image_size_of(as_bytes(file.substr(0, header))), size) << name;
  }
}

TEST(Decode, DetectsTheFormat) {
  EXPECT_EQ(image_format_of(as_bytes(golden("jpeg_exif_rotated.jpg"))), "JPEG");
  EXPECT_EQ(image_format_of(as_bytes(golden("png_rgba.png"))), "PNG");
  EXPECT_EQ(image_format_of(as_bytes(golden("webp_lossy_alpha.webp"))), "WebP");
  EXPECT_EQ(image_format_of(as_bytes(golden("bmp_palette.bmp"))), "BMP");
  EXPECT_EQ(image_format_of(as_bytes(golden("gif_palette.gif"))), "GIF");
  EXPECT_THROW(image_format_of(as_bytes("II*")), DecodeError);
}

TEST(Decode, KeepsModesOnlyWhenRequested) {
  const auto stored_mode = [](const std::string& name) {
    return decode_image_as_stored(as_bytes(golden(name))).mode;
  };
  EXPECT_EQ(stored_mode("png_palette.png"), PixelMode::indexed);
  EXPECT_EQ(stored_mode("png_one_bit.png"), PixelMode::indexed);
  EXPECT_EQ(stored_mode("png_grey_alpha.png"), PixelMode::rgba);
  EXPECT_EQ(stored_mode("webp_lossy_alpha.webp"), PixelMode::rgba);
  EXPECT_EQ(stored_mode("jpeg_cmyk.jpg"), PixelMode::cmyk);
  EXPECT_EQ(stored_mode("png_grey.png"), PixelMode::rgb);
  EXPECT_EQ(stored_mode("gif_palette.gif"), PixelMode::indexed);
  EXPECT_EQ(stored_mode("gif_grey.gif"), PixelMode::rgb);
  EXPECT_EQ(decode_image(as_bytes(golden("png_rgba.png"))).mode, PixelMode::rgb);
}

// A damaged file gives an image or a DecodeError, and nothing is printed on standard error.
TEST(Decode, SurvivesRandomDamageSilently) {
  ::testing::internal::CaptureStderr();
  RandomStream stream(RandomUse::synthetic_data, {1});
  int num_errors = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::golden_path("image"))) {
    if (entry.path().extension() == ".safetensors" || entry.path().extension() == ".json") continue;
    for (int trial = 0; trial < 30; ++trial) {
      std::string file = read_file(entry.path());
      for (int i = 0; i < 4; ++i) file[stream.below(file.size())] = static_cast<char>(stream.below(256));
      if (trial % 3 == 0) file.resize(stream.below(file.size()));
      try {
        decode_image_as_stored(as_bytes(file));
      } catch (const DecodeError&) {
        ++num_errors;
      }
    }
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_GT(num_errors, 100);
}

TEST(Decode, ReusesTheMemoryOfAnotherImage) {
  for (const char* name : {"jpeg_quality_30.jpg", "png_rgba.png", "source_wide.png"}) {
    const ImageU8 fresh = decode_image(as_bytes(golden(name)));
    for (const std::size_t bytes : {std::size_t{1}, fresh.pixels.size(), 5 * fresh.pixels.size()}) {
      const ImageU8 reused = decode_image(as_bytes(golden(name)), PixelMemory(bytes, 0xa5));
      EXPECT_EQ(reused.size(), fresh.size());
      EXPECT_EQ(reused.pixels, fresh.pixels) << name;
    }
  }
}

TEST(Decode, ReducesOnlyJpegs) {
  const ImageU8 smooth = resize(decode_image(as_bytes(golden("jpeg_quality_30.jpg"))),
                                resize_whole(decode_image(as_bytes(golden("jpeg_quality_30.jpg"))).size(),
                                             {301, 403}, ResampleFilter::bicubic));
  const std::string file = encode_jpeg(smooth, 95);
  for (const int reduction : {1, 2, 4, 8}) {
    const ImageU8 reduced = decode_image_reduced(as_bytes(file), reduction);
    ASSERT_EQ(reduced.size(),
              (ImageSize{(301 + reduction - 1) / reduction, (403 + reduction - 1) / reduction}));
    const ImageU8 expected = resize(decode_image(as_bytes(file)),
                                    resize_whole(smooth.size(), reduced.size(), ResampleFilter::bilinear));
    double difference = 0;
    for (std::size_t i = 0; i < expected.pixels.size(); ++i) {
      difference += std::abs(expected.pixels[i] - reduced.pixels[i]);
    }
    EXPECT_LT(difference / static_cast<double>(expected.pixels.size()), 6.0) << reduction;
  }
  EXPECT_EQ(decode_image_reduced(as_bytes(golden("png_rgba.png")), 4).pixels,
            decode_image(as_bytes(golden("png_rgba.png"))).pixels);
}

TEST(Encode, PngIsLosslessAndJpegIsClose) {
  const ImageU8 image = decode_image(as_bytes(golden("source_wide.png")));
  EXPECT_EQ(decode_image(as_bytes(encode_png(image))).pixels, image.pixels);
  const ImageU8 smooth = decode_image(as_bytes(golden("jpeg_quality_30.jpg")));
  const ImageU8 jpeg = decode_image(as_bytes(encode_jpeg(smooth, 95)));
  ASSERT_EQ(jpeg.size(), smooth.size());
  double difference = 0.0;
  for (std::size_t i = 0; i < jpeg.pixels.size(); ++i)
    difference += std::abs(jpeg.pixels[i] - smooth.pixels[i]);
  EXPECT_LT(difference / static_cast<double>(jpeg.pixels.size()), 5.0);
}

}  // namespace
}  // namespace cloob
