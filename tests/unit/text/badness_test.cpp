#include "text/badness.h"

#include "support/support.h"

namespace cloob {
namespace {

TEST(IsBad, FindsUnlikelyPairsAnywhere) {
  EXPECT_TRUE(is_bad(U"sch\u00C3\u00B6n")) << "an accented capital before a fraction, a sign or a mark";
  EXPECT_TRUE(is_bad(U"it\u00E2\u20AC\u2122s")) << "an accented letter before a currency sign";
  EXPECT_TRUE(is_bad(U"\u0093quoted\u0094")) << "a C1 control";
  EXPECT_TRUE(is_bad(U"\u2500\u2551\u00F6")) << "a box before a letter";
}

TEST(IsBad, AcceptsNaturalText) {
  for (const std::u32string_view text :
       {U"", U"plain", U"sch\u00F6n", U"\u201Cquoted\u201D \u2013 \u20AC20",
        U"\u041F\u0440\u0438\u0432\u0435\u0442", U"\u0395\u03BB\u03BB\u03B7\u03BD\u03B9\u03BA\u03AC",
        U"\u6F22\u5B57", U"\U0001F600 20\u00B0C \u00BD"}) {
    EXPECT_FALSE(is_bad(text)) << ::testing::PrintToString(text);
  }
}

TEST(IsBad, KnowsRulesWithContext) {
  EXPECT_TRUE(is_bad(U"\u00C3 la carte")) << "at the start";
  EXPECT_TRUE(is_bad(U"voil\u00C3 le")) << "after a small letter";
  EXPECT_TRUE(is_bad(U"dishes \u00C3 la carte")) << "after a small letter and a space";
  EXPECT_FALSE(is_bad(U"5 \u00C3 la carte"));
  EXPECT_FALSE(is_bad(U"\u00C3"));
  EXPECT_TRUE(is_bad(U"\u0153.")) << "the ligature before anything but a letter";
  EXPECT_FALSE(is_bad(U"c\u0153ur \u0153")) << "or at the end";
  EXPECT_TRUE(is_bad(U"\u00E9\u201D\u6F22")) << "a quotation mark inside of a word";
  EXPECT_FALSE(is_bad(U"\u00E9\u201D "));
}

TEST(IsBad, KnowsTheRulesOfFourAndMoreCharacters) {
  EXPECT_TRUE(is_bad(U"\u00D8\u00B5\u00D8\u00B0")) << "Arabic";
  EXPECT_FALSE(is_bad(U"\u00D8\u2019\u00D8")) << "cut off";
  EXPECT_TRUE(is_bad(U"\u0413\u045E\u0412\u0402\u0412\u2122s"));
  EXPECT_FALSE(is_bad(U"\u0413\u045E\u0412\u0402\u0412\ns")) << "any character but a line break";
}

}  // namespace
}  // namespace cloob
