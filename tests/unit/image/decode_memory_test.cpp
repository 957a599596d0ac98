// Small files that claim to need much: decoding them stays within what decode.h and docs/config.md promise.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "cloob/base/files.h"
#include "cloob/base/memory.h"
#include "cloob/base/timer.h"
#include "cloob/image/decode.h"
#include "support/support.h"

namespace cloob {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kMaxOtherBytes = 64 * kMiB;  // besides pixels and coefficients

std::string golden(const std::string& name) { return read_file(testing::golden_path("image/" + name)); }

std::string big_endian(std::size_t value, std::size_t count) {
  std::string bytes;
  for (std::size_t i = count; i-- > 0;) bytes += static_cast<char>(value >> 8 * i & 0xff);
  return bytes;
}

// A segment: its marker, its length and its content.
std::string segment(char marker, const std::string& content) {
  return std::string("\xff") + marker + big_endian(content.size() + 2, 2) + content;
}

// A progressive JPEG whose only Huffman codes are the bit 0, for no difference and for the end of a block: all its
// data is zeros. The first scan has the constant coefficients, each further one the others of the first component.
std::string progressive_jpeg(std::size_t width, std::size_t height, std::size_t components,
                             std::size_t scans) {
  const std::size_t bytes_per_component = (width + 7) / 8 * ((height + 7) / 8) / 8 + 1;
  const std::string one_code = std::string("\1") + std::string(15, '\0') + '\0';
  std::string frame = '\x08' + big_endian(height, 2) + big_endian(width, 2) + static_cast<char>(components);
  std::string first = std::string(1, static_cast<char>(components));
  for (std::size_t id = 1; id <= components; ++id) {
    frame += {static_cast<char>(id), '\x11', '\0'};
    first += {static_cast<char>(id), '\0'};
  }
  std::string file = "\xff\xd8";
  file += segment('\xdb', std::string(1, '\0') + std::string(64, '\1')) + segment('\xc2', frame);
  file += segment('\xc4', std::string(1, '\0') + one_code) + segment('\xc4', '\x10' + one_code);
  file += segment('\xda', first + std::string(3, '\0')) + std::string(components * bytes_per_component, '\0');
  for (std::size_t scan = 1; scan < scans; ++scan)
    file += segment('\xda', std::string("\1\1\0\1\x3f\0", 6)) + std::string(bytes_per_component, '\0');
  return file + "\xff\xd9";
}

// The bytes by which the peak exceeds the memory in use before.
std::uint64_t peak_of(const std::function<void()>& action) {
  EXPECT_TRUE(reset_peak_rss());
  const std::uint64_t before = current_rss_bytes();
  action();
  return peak_rss_bytes() - std::min(before, peak_rss_bytes());
}

struct Outcome {
  std::string failure;  ///< the kind of the error; empty: decoded
  std::uint64_t bytes = 0;
};

Outcome decode(const std::string& file, int reduction = 1) {
  Outcome outcome;
  outcome.bytes = peak_of([&] {
    try {
      decode_image_reduced(std::as_bytes(std::span(file.data(), file.size())), reduction);
    } catch (const DecodeError& error) {
      for (const auto& [name, kind] : EnumNames<DecodeErrorKind>::names) {
        if (kind == error.kind()) outcome.failure = name;
      }
    }
  });
  return outcome;
}

TEST(DecodeMemory, AProgressiveJpegTakesUpToTwelveBytesPerPixel) {
  const Outcome cmyk = decode(progressive_jpeg(4000, 3000, 4, 2));
  EXPECT_EQ(cmyk.failure, "");
  EXPECT_LE(cmyk.bytes, 12 * 4000 * 3000 + kMaxOtherBytes);
  EXPECT_EQ(decode(golden("jpeg_progressive.jpg")).failure, "");
}

TEST(DecodeMemory, AProgressiveJpegThatNeedsTooMuchIsNotBegun) {
  for (const int reduction : {1, 8}) {
    const Outcome cmyk = decode(progressive_jpeg(13'000, 13'000, 4, 1), reduction);
    EXPECT_EQ(cmyk.failure, "too_large");
    EXPECT_LE(cmyk.bytes, kMaxOtherBytes);
  }
  EXPECT_EQ(decode(progressive_jpeg(9'500, 9'500, 3, 1)).failure, "too_large");  // 9 bytes per pixel
}

TEST(DecodeMemory, ScansOfAJpegAreLimited) {
  EXPECT_EQ(decode(progressive_jpeg(256, 256, 1, kMaxJpegScans)).failure, "");
  EXPECT_EQ(decode(progressive_jpeg(256, 256, 1, kMaxJpegScans + 1)).failure, "too_large");
  const Timer timer;
  EXPECT_EQ(decode(progressive_jpeg(4000, 4000, 1, 2 * kMaxJpegScans)).failure, "too_large");
  EXPECT_LT(timer.seconds(), 20);
}

TEST(DecodeMemory, PngChunksAreSkippedWhateverTheyClaim) {
  const std::string png = golden("png_rgb.png");
  constexpr std::size_t kAfterHeader = 33;
  for (const char* name : {"tEXt", "zTXt", "iTXt", "iCCP", "eXIf", "sPLT", "prVt"}) {
    const std::string huge = big_endian(0x7fff'fff0, 4) + name + "a";
    const Outcome outcome = decode(png.substr(0, kAfterHeader) + huge);
    EXPECT_EQ(outcome.failure, "truncated") << name;
    EXPECT_LE(outcome.bytes, kMaxOtherBytes) << name;
  }
  const std::string text = big_endian(20'000'000, 4) + "tEXt" + std::string(20'000'000, 'a') + "abcd";
  EXPECT_EQ(decode(png.substr(0, kAfterHeader) + text + png.substr(kAfterHeader)).failure, "");
}

TEST(DecodeMemory, AnAnimationTakesOneCanvas) {
  for (const char* name : {"webp_animated.webp", "webp_animated_offset.webp"}) {
    std::string file = golden(name);
    constexpr std::size_t kCanvas = 24;
    file.replace(kCanvas, 6, std::string("\x9f\x0f\0\x9f\x0f\0", 6));  // 4000 x 4000
    const Outcome outcome = decode(file);
    EXPECT_EQ(outcome.failure, "") << name;
    EXPECT_LE(outcome.bytes, 4 * 4000 * 4000 + kMaxOtherBytes) << name;
  }
}

TEST(DecodeMemory, AnAnimationOfAMillionChunksTakesOneCanvas) {
  std::string file = golden("webp_animated.webp");
  const std::size_t frame = file.find("ANMF");
  ASSERT_NE(frame, std::string::npos);
  std::string chunks;
  for (int i = 0; i < 1'000'000; ++i) chunks.append("junk\0\0\0\0", 8);
  file.insert(frame, chunks);
  const std::size_t size = file.size() - 8;
  for (std::size_t i = 0; i < 4; ++i) file[4 + i] = static_cast<char>(size >> 8 * i & 0xff);
  const Outcome outcome = decode(file);
  EXPECT_EQ(outcome.failure, "");
  EXPECT_LE(outcome.bytes, 16 * kMiB);
}

}  // namespace
}  // namespace cloob
