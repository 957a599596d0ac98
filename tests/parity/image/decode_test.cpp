// Parity of decoded pixels with Pillow.
#include "cloob/image/decode.h"

#include "parity/image/golden.h"

namespace cloob {
namespace {

using testing::golden_file;
using testing::golden_image;
using testing::golden_tensors;
using testing::level_difference;

TEST(DecodeParity, EveryFileEqualsPillow) {
  std::size_t num_files = 0;
  for (const auto& [name, expected] : golden_tensors("decoded.safetensors")) {
    if (name == "png_grey_16_bit.png") continue;
    EXPECT_EQ(level_difference(golden_image(name, /*as_stored=*/false), expected), 0.0) << name;
    ++num_files;
  }
  EXPECT_GE(num_files, 30u);
}

TEST(DecodeParity, DeepGreyKeepsItsUpperBitsWherePillowSaturates) {
  const at::Tensor pillow = golden_tensors("decoded.safetensors").at("png_grey_16_bit.png");
  EXPECT_GE(pillow.eq(255).sum().item<std::int64_t>() * 100, 90 * pillow.numel());
  // The upper bytes of the file are the red channel of png_rgb.png.
  const ImageU8 grey = golden_image("png_grey_16_bit.png", /*as_stored=*/false);
  const ImageU8 color = golden_image("png_rgb.png", /*as_stored=*/false);
  ASSERT_EQ(grey.size(), color.size());
  for (std::size_t i = 0; i < grey.pixels.size(); ++i)
    ASSERT_EQ(grey.pixels[i], color.pixels[i / 3 * 3]) << i;
}

TEST(DecodeParity, HeaderSizeEqualsDecodedSize) {
  for (const auto& [name, expected] : golden_tensors("decoded.safetensors")) {
    const std::string file = golden_file(name);
    const ImageSize size = image_size_of(testing::as_bytes(file));
    EXPECT_EQ(size, (ImageSize{static_cast<int>(expected.size(0)), static_cast<int>(expected.size(1))}))
        << name;
  }
}

}  // namespace
}  // namespace cloob
