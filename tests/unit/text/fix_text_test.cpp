#include "text/fix_text.h"

#include "support/support.h"

namespace cloob {
namespace {

TEST(FixText, ReadsControlCharactersAsWindows1252) {
  EXPECT_EQ(fix_text(U"a\u0085b \u0080 \u0093x\u0094 \u0081"), U"a\u2026b \u20AC \"x\" \u0081");
}

TEST(FixText, RemovesTerminalEscapes) {
  EXPECT_EQ(fix_text(U"\x1B[36;44mblue\x1B[0m \x1B[\u0663mx"), U"blue x");
  EXPECT_EQ(fix_text(U"\x1B[31"), U"[31") << "an incomplete escape loses only its control character";
}

TEST(FixText, UnifiesLineBreaks) {
  EXPECT_EQ(fix_text(U"1\r\n2\r3\u20284\u20295\r\r\n"), U"1\n2\n3\n4\n5\n\n");
}

TEST(FixText, StopsUnescapingHtmlAtTheFirstLineWithATag) {
  EXPECT_EQ(fix_text(U"&eacute;\n<p>&eacute;\n&eacute;"), U"\u00E9\n<p>&eacute;\n&eacute;");
}

TEST(FixText, RepeatsUntilNothingChanges) {
  EXPECT_EQ(fix_text(U"&amp;amp;lt;"), U"<");
  EXPECT_EQ(fix_text(U"&#xFF07;"), U"'");
  EXPECT_EQ(fix_text(U"\uFF06amp;lt;"), U"<") << "the ampersand is full-width";
}

TEST(FixText, ComposesCharacters) {
  EXPECT_EQ(fix_text(U"e\u0301 \uFF76\uFF9E \u1100\u1161"), U"\u00E9 \u30AC \uAC00");
}

TEST(FixText, SplitsLigatures) {
  EXPECT_EQ(fix_text(U"\uFB02u\uFB03e\uFB06 \u0149 \u01C4 \u0133"), U"fluffiest 'n D\u017D ij");
}

TEST(FixText, RemovesInvisibleControlsButNotJoiners) {
  EXPECT_EQ(fix_text(U"\uFEFFa\u206A\uFFFCb\u200D\u200B"), U"ab\u200D\u200B");
}

}  // namespace
}  // namespace cloob
