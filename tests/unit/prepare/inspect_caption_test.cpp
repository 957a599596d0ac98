#include "prepare/inspect_caption.h"

#include <gtest/gtest.h>

#include <string>

namespace cloob {
namespace {

TEST(InspectCaption, CountsCharactersAndWords) {
  const CaptionStats stats = analyze_caption("  Two \t dogs\n play ");
  EXPECT_EQ(stats.characters, 13);
  EXPECT_EQ(stats.words, 3);
  EXPECT_EQ(stats.cleaned, "two dogs play");
  EXPECT_EQ(analyze_caption("caf\xC3\xA9").characters, 4);
  EXPECT_EQ(analyze_caption("").words, 0);
}

TEST(InspectCaption, CountsLettersAfterCleaning) {
  EXPECT_EQ(analyze_caption("a 42 b!").letters, 2);
  EXPECT_EQ(analyze_caption("12-34 (5)").letters, 0);
  EXPECT_EQ(analyze_caption("&nbsp; &#32;").letters, 0);
  EXPECT_EQ(analyze_caption("&nbsp; &#32;").cleaned, "");
  EXPECT_EQ(analyze_caption("\xC3\xA9t\xC3\xA9").letters, 3);              // ete with accents
  EXPECT_EQ(analyze_caption("\xE7\x8C\xAB").letters, 3);                   // one ideograph, a cat
  EXPECT_EQ(analyze_caption("\xF0\x9F\x98\x80 \xE2\x80\x94").letters, 0);  // a smiley and a dash
}

TEST(InspectCaption, DetectsInvalidUtf8) {
  EXPECT_TRUE(analyze_caption("caf\xC3\xA9").is_valid);
  EXPECT_FALSE(analyze_caption("caf\xE9").is_valid);
  EXPECT_TRUE(analyze_caption("it has \xEF\xBF\xBD already").is_valid);
  EXPECT_FALSE(analyze_caption("it has \xEF\xBF\xBD already, and \xFF").is_valid);
}

TEST(InspectCaption, DetectsAddressesAndFileNames) {
  for (const char* caption :
       {"see HTTP://a.example/b", "www.example.org", "IMG_0042.JPG", "a (photo.webp) here"})
    EXPECT_TRUE(analyze_caption(caption).has_address) << caption;
  EXPECT_FALSE(analyze_caption("a dog in the www of things.").has_address);
}

TEST(InspectCaption, IsFormattedAsOneLine) {
  EXPECT_EQ(one_line("a\n\tb  c", 80), "a b c");
  EXPECT_EQ(one_line("abcdef", 6), "abcdef");
  EXPECT_EQ(one_line("abcdefg", 6), "abcdef...");
  EXPECT_EQ(one_line("\xC3\xA9\xC3\xA9\xC3\xA9", 2), "\xC3\xA9\xC3\xA9...");
  EXPECT_EQ(one_line("\x1b[31mred", 80), "\xEF\xBF\xBD[31mred");  // would color terminal output
  EXPECT_EQ(one_line("\xC2\x9B"
                     "31m",
                     80),
            "\xEF\xBF\xBD"
            "31m");  // so would this
  EXPECT_EQ(one_line("caf\xE9", 80), "caf\xEF\xBF\xBD");
}

}  // namespace
}  // namespace cloob
