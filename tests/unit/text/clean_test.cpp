#include "text/clean.h"

#include "cloob/base/random.h"
#include "cloob/text/clean.h"
#include "support/support.h"

namespace cloob {
namespace {

TEST(CleanCaption, CollapsesWhitespaceAndLowersCase) {
  EXPECT_EQ(clean_caption("  A Photo\tof \r\n a\f CAT! "), "a photo of a cat!");
  EXPECT_EQ(clean_caption(""), "");
  EXPECT_EQ(clean_caption(" \n "), "");
  EXPECT_EQ(clean_caption("\xC2\xA0wide\xE3\x80\x80\xE2\x80\x83space\x1F\x1C"), "wide space");
}

TEST(CleanCaption, RemovesControlCharactersInsideWords) {
  EXPECT_EQ(clean_caption("a\vb\x07"
                          "c"),
            "abc");
  EXPECT_EQ(clean_caption(std::string("nul\0nul", 7)), "nulnul");
}

TEST(CleanCaption, UnescapesHtmlRepeatedly) {
  EXPECT_EQ(clean_caption("&lt;b&gt;bold&lt;/b&gt; &amp;amp; more"), "<b>bold</b> & more");
  EXPECT_EQ(clean_caption("&amp;amp;amp;amp;amp;"), "&");
}

TEST(CleanCaption, UnescapesHtmlOnlyTwiceInLinesWithATag) {
  // ftfy does not change such text; the two passes after it do.
  EXPECT_EQ(clean_caption("<p>&amp;amp;amp;lt;"), "<p>&amp;lt;");
}

TEST(CleanCaption, ReplacesCurlyQuotesLigaturesAndFullWidthForms) {
  EXPECT_EQ(clean_caption("\xE2\x80\x9Cquoted\xE2\x80\x9D \xE2\x80\x98x\xE2\x80\x99"), "\"quoted\" 'x'");
  EXPECT_EQ(clean_caption("\xEF\xAC\x81sh \xEF\xBC\xA1\xEF\xBC\xA2"), "fish ab");
}

TEST(CleanCaption, LowersTheDottedIAndTheFinalSigma) {
  EXPECT_EQ(clean_caption("\xC4\xB0stanbul"), "i\xCC\x87stanbul");
  EXPECT_EQ(clean_caption("\xCE\x9F\xCE\xA3 \xCE\xA3"), "\xCE\xBF\xCF\x82 \xCF\x83");
}

TEST(CleanCaption, ReplacesInvalidUtf8) {
  EXPECT_EQ(clean_caption("caf\xE9 x"), "caf\xEF\xBF\xBD x");
  EXPECT_EQ(clean_caption("\xED\xA0\xBD"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(CleanCaption, RepairsMojibake) {
  // Two characters for an o umlaut, as if its UTF-8 had been decoded as Latin-1.
  EXPECT_EQ(clean_caption("sch\xC3\x83\xC2\xB6n"), "sch\xC3\xB6n");
}

TEST(CleanCaption, GivesTheSameOnTheFastAndTheSlowPath) {
  RandomStream random(RandomUse::synthetic_data, {1});
  int plain = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string caption;
    for (std::uint64_t left = random.below(30); left > 0; --left) {
      // Mostly whitespace and letters, so that runs and ends occur; sometimes another ASCII character.
      const bool any = random.bernoulli(0.3);
      caption += any ? static_cast<char>(random.below(0x80)) : " \t\n\f\r aZ'<"[random.below(11)];
    }
    if (!is_plain_ascii(caption)) continue;
    ++plain;
    ASSERT_EQ(clean_ascii_caption(caption), clean_any_caption(caption)) << ::testing::PrintToString(caption);
  }
  EXPECT_GT(plain, 2'000);
}

TEST(CleanCaption, TakesTheSlowPathForAmpersandsAndControlCharacters) {
  for (const char* caption : {"a&b", "a\x1B[0m", "a\vb", "a\x7F", "\xC3\xA9"})
    EXPECT_FALSE(is_plain_ascii(caption));
  EXPECT_TRUE(is_plain_ascii("It's ~100% <plain> {ASCII}\t\n\f\r"));
}

TEST(CollapseWhitespace, ChangesNothingElse) {
  EXPECT_EQ(collapse_whitespace("  \xC2\xA0 Keeps\t\xE2\x80\x9CIT\xE2\x80\x9D &amp; \xEF\xAC\x81 "),
            "Keeps \xE2\x80\x9CIT\xE2\x80\x9D &amp; \xEF\xAC\x81");
}

}  // namespace
}  // namespace cloob
