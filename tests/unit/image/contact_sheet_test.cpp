#include "cloob/image/contact_sheet.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace cloob {
namespace {

// Flat images of the given grey level, normalised with the default settings.
at::Tensor flat_images(std::int64_t count, double level) {
  const ImageConfig config;
  at::Tensor images = at::empty({count, 3, 8, 8});
  for (std::int64_t c = 0; c < 3; ++c) {
    const auto i = static_cast<std::size_t>(c);
    images.select(1, c).fill_((level / 255.0 - config.mean[i]) / config.std[i]);
  }
  return images;
}

int count_level(const ImageU8& sheet, int level) {
  int count = 0;
  for (std::size_t i = 0; i < sheet.pixels.size(); i += 3) {
    count += std::all_of(sheet.pixels.begin() + static_cast<std::ptrdiff_t>(i),
                         sheet.pixels.begin() + static_cast<std::ptrdiff_t>(i) + 3,
                         [&](int value) { return value == level; });
  }
  return count;
}

TEST(ContactSheet, ShowsImagesInTheirOriginalColors) {
  const std::vector<std::string> captions(6, "a caption");
  const ImageU8 one = contact_sheet(flat_images(6, 99.0), captions, {}, 1);
  const ImageU8 six = contact_sheet(flat_images(6, 99.0), captions, {}, 6);
  EXPECT_GT(count_level(one, 99), 25'000);
  EXPECT_EQ(count_level(six, 99), 6 * count_level(one, 99));
}

TEST(ContactSheet, DrawsCaptionsOfAnyText) {
  const at::Tensor image = flat_images(1, 200.0);
  const auto sheet = [&](const std::string& caption) {
    const std::vector<std::string> captions{caption};
    return contact_sheet(image, captions, {}, 1);
  };
  EXPECT_NE(sheet("a cat").pixels, sheet("").pixels);
  EXPECT_EQ(sheet("caf\xc3\xa9").pixels, sheet("caf?").pixels);
  EXPECT_EQ(sheet("one\ttwo\n").pixels, sheet("one two").pixels);
  EXPECT_GT(sheet("a caption that is far too long for one line").height, sheet("short").height);
  EXPECT_EQ(sheet(std::string(500, 'x')).height, sheet(std::string(5000, 'x')).height);
}

}  // namespace
}  // namespace cloob
