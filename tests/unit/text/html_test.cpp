#include "text/html.h"

#include "support/support.h"
#include "text/html_entities.h"

namespace cloob {
namespace {

TEST(HtmlEntities, AreFoundByExactName) {
  EXPECT_EQ(find_html_entity("eacute;")->text, U"\u00E9");
  EXPECT_EQ(find_html_entity("amp")->text, U"&");
  EXPECT_EQ(find_html_entity("NotEqualTilde;")->text, U"\u2242\u0338");
  EXPECT_EQ(find_html_entity("zwnj;")->text, U"\u200C");
  EXPECT_EQ(find_html_entity("AElig")->text, U"\u00C6");
  EXPECT_EQ(find_html_entity("EACUTE;"), nullptr);
  EXPECT_EQ(find_html_entity(""), nullptr);
  EXPECT_EQ(find_shouted_html_entity("FFILIG;")->text, U"FFI");
  EXPECT_EQ(find_shouted_html_entity("LTDOT;"), nullptr) << "browsers parse LT in it";
}

TEST(UnescapeHtml, UsesTheLongestNameWithoutSemicolon) {
  EXPECT_EQ(unescape_html(U"&notit; &notin; this&not that &copy2023"),
            U"\u00ACit; \u2209 this\u00AC that \u00A92023");
  EXPECT_EQ(unescape_html(U"AT&T & co &; &xyz; &"), U"AT&T & co &; &xyz; &");
}

TEST(UnescapeHtml, DecodesNumbersLikeBrowsers) {
  EXPECT_EQ(unescape_html(U"&#65;&#x42;&#X43 &#68x"), U"ABC Dx");
  EXPECT_EQ(unescape_html(U"&#0;&#xD800;&#x110000;&#99999999999999999999;"), U"\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(unescape_html(U"&#128;&#x99;&#1;&#127;&#xFFFE;&#13;|"), U"\u20AC\u2122\r|");
  EXPECT_EQ(unescape_html(U"&#; &#x; &#xg;"), U"&#; &#x; &#xg;");
}

TEST(UnescapeUnambiguousHtml, RequiresTheSemicolon) {
  EXPECT_EQ(unescape_unambiguous_html(U"this&not that &copy; &amp &#65 &#66;"),
            U"this&not that \u00A9 &amp &#65 B");
}

TEST(UnescapeUnambiguousHtml, AcceptsUpperCaseNames) {
  EXPECT_EQ(unescape_unambiguous_html(U"P&EACUTE;REZ &SZLIG; &nTILDE;"), U"P\u00C9REZ SS &nTILDE;");
}

TEST(UnescapeUnambiguousHtml, KeepsNumericReferencesToASemicolon) {
  EXPECT_EQ(unescape_unambiguous_html(U"&#59; &#x3b; &semi;"), U"&#59; &#x3b; ;");
}

TEST(UnescapeUnambiguousHtml, AcceptsNamesOfUpTo24Characters) {
  EXPECT_EQ(unescape_unambiguous_html(U"&CounterClockwiseContourIntegral;"),
            U"&CounterClockwiseContourIntegral;");
  EXPECT_EQ(unescape_unambiguous_html(U"&#00000000000000000000065;"), U"A");
  EXPECT_EQ(unescape_unambiguous_html(U"&#0000000000000000000000065;"), U"&#0000000000000000000000065;");
}

}  // namespace
}  // namespace cloob
