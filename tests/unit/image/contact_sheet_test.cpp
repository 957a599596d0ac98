#include "cloob/image/contact_sheet.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cloob/base/text.h"
#include "cloob/image/encode.h"

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
  // No two of these look alike, so none is drawn as a placeholder.
  const std::vector<std::string> texts = split(
      "cafe|caf\u00e9|caf\u00ea|\u043a\u043e\u0442|\u0434\u043e\u043c|\u732b|\u72ac|\uace0\uc591|\uac1c|\u092c\u093f|"
      "\u0e41\u0e21|\u05d7\u05ea|\u0642\u0637|\U0001f431|\U0001f436|\xff",
      '|');
  std::set<std::string> drawn;
  for (const std::string& text : texts) drawn.insert(encode_png(sheet(text)));
  EXPECT_EQ(drawn.size(), texts.size());
  EXPECT_EQ(sheet("dog\u200d\ufe0f").pixels, sheet("dog").pixels);
  EXPECT_EQ(sheet("one\ttwo\n").pixels, sheet("one two").pixels);
  EXPECT_GT(sheet("a caption that is far too long for one line").height, sheet("short").height);
  EXPECT_EQ(sheet(std::string(500, 'x')).height, sheet(std::string(5000, 'x')).height);
}

}  // namespace
}  // namespace cloob
