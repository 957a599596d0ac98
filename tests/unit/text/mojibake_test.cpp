#include "text/mojibake.h"

#include <chrono>

#include "cloob/text/clean.h"
#include "support/support.h"
#include "text/fix_text.h"
#include "text/mojibake_bytes.h"
#include "text/unicode.h"

namespace cloob {
namespace {

TEST(FixEncoding, DecodesUtf8OfEveryEncoding) {
  EXPECT_EQ(fix_encoding(U"sch\u00C3\u00B6n"), U"sch\u00F6n") << "Latin-1";
  EXPECT_EQ(fix_encoding(U"it\u00E2\u20AC\u2122s"), U"it\u2019s") << "Windows-1252";
  EXPECT_EQ(fix_encoding(U"\u0432\u0402\u045Ax\u0432\u0402\u045C"), U"\u201Cx\u201D") << "Windows-1251";
  EXPECT_EQ(fix_encoding(U"it\u201A\u00C4\u00F4s"), U"it\u2019s") << "MacRoman";
  EXPECT_EQ(fix_encoding(U"caf\u251C\u2310"), U"caf\u00E9") << "code page 437";
}

TEST(FixEncoding, RepeatsForTextThatWasBrokenSeveralTimes) {
  EXPECT_EQ(fix_encoding(U"sch\u00C3\u0192\u00C2\u00B6n"), U"sch\u00F6n");
  EXPECT_EQ(fix_encoding(U"sch\u00C3\u0192\u00C6\u2019\u00C3\u201A\u00C2\u00B6n"), U"sch\u00F6n");
}

TEST(FixEncoding, RepairsPartsByThemselves) {
  EXPECT_EQ(fix_encoding(U"\u6F22\u5B57 it\u00E2\u20AC\u2122s sch\u00C3\u00B6n"),
            U"\u6F22\u5B57 it\u2019s sch\u00F6n");
  EXPECT_EQ(fix_encoding(U"\u6F22 \u0093x\u0094 \u0081"), U"\u6F22 \u201Cx\u201D \u0081") << "C1 controls";
}

TEST(FixEncoding, RestoresSpacesThatBelongToCharacters) {
  EXPECT_EQ(fix_encoding(U"voil\u00C3 le travail"), U"voil\u00E0 le travail");
  EXPECT_EQ(fix_encoding(U"2,5 \u00C3 3"), U"2,5 \u00C3 3") << "unless nothing else is wrong";
}

TEST(FixEncoding, ReplacesSequencesWithLostCharacters) {
  EXPECT_EQ(fix_encoding(U"\u00E2\u20AC\u0153like this\u00E2\u20AC\uFFFD"), U"\u201Clike this\uFFFD");
}

TEST(FixEncoding, KeepsNaturalText) {
  for (const std::u32string_view text :
       {U"", U"plain", U"na\u00EFve caf\u00E9 \u2013 \u20AC5", U"\u00C5 \u00E9t\u00E9",
        U"\u0420\u043E\u0441\u0441\u0438\u044F", U"\u1F60\u00C3O"}) {
    EXPECT_EQ(fix_encoding(text), text);
  }
}

TEST(DecodeUtf8Variants, ReadsPairsOfSurrogatesAndJavasNull) {
  EXPECT_EQ(decode_utf8_variants("a\xED\xA0\xBD\xED\xB8\x8D\xC0\x80z"),
            (U"a\U0001F60D" + std::u32string(1, U'\0') + U"z"));
  EXPECT_EQ(decode_utf8_variants("\xED\x95\x9C \xEF\xBF\xBD"), U"\uD55C \uFFFD") << "ordinary UTF-8";
}

TEST(DecodeUtf8Variants, RefusesEverythingElse) {
  for (const char* bytes :
       {"\xED\xA0\xBD", "\xED\xB8\x8D", "\xED\xA0\xBD\xED\xA0\xBD", "\xC0", "\xC0\x81", "\xC0\xAF",
        "\xE2\x80", "\x80", "\xF5\x80\x80\x80", "\xED\xA0\xBD\xED\xB8\nx", "\xC0\nx"}) {
    EXPECT_EQ(decode_utf8_variants(bytes), std::nullopt) << ::testing::PrintToString(bytes);
  }
}

TEST(DecodeUtf8Variants, TakesALineBreakAtTheEndForTheLastByteAsFtfyDoes) {
  EXPECT_EQ(decode_utf8_variants("x\xC0\n"), U"x" + std::u32string(1, U'\0'));
  EXPECT_EQ(decode_utf8_variants("\xED\xA0\x80\xED\xB0\n"), U"\U0001000A");
}

TEST(RestoreNoBreakBytes, ChangesSpacesInsideOfSequences) {
  EXPECT_EQ(restore_no_break_bytes("\xE2 \x9C \xE3\x81 \xF0\x9F \x80"),
            "\xE2\xA0\x9C \xE3\x81\xA0\xF0\x9F\xA0\x80");
  EXPECT_EQ(restore_no_break_bytes("\xC5 \xC6 \xE1 \x80 \xE2 \x85"), "\xC5\xA0\xC6 \xE1 \x80 \xE2 \x85");
}

TEST(RestoreNoBreakBytes, KeepsTheSpaceAfterAWordOfOneLetter) {
  EXPECT_EQ(restore_no_break_bytes("\xC3 la \xC3 quele \xC3 s "), "\xC3\xA0 la \xC3\xA0quele \xC3\xA0s ");
  EXPECT_EQ(restore_no_break_bytes("\xC3  x"), "\xC3\xA0 x");
}

TEST(ReplaceLossySequences, ReplacesWholeSequences) {
  const std::string lost = "\xEF\xBF\xBD";
  EXPECT_EQ(replace_lossy_sequences("\xE2\x80\x1A \xE2\x1A? \xC5\x1A \xC3? \x1A"),
            lost + " " + lost + " " + lost + " " + lost + " " + lost);
  EXPECT_EQ(replace_lossy_sequences("\xED\xA0?\xED\xB8\x8D|\xED\xA0\x80\xED\xB8\x1A"), lost + "|" + lost);
  EXPECT_EQ(replace_lossy_sequences("\xC5? \xE2?? \xE2\x80\x99 ?"), "\xC5? \xE2?? \xE2\x80\x99 ?")
      << "at most one question mark, and only where it is unambiguous";
}

std::u32string repeated(std::u32string_view part, std::size_t utf8_bytes) {
  std::u32string text;
  const std::size_t count = utf8_bytes / encode_utf8(part).size();
  for (std::size_t i = 0; i < count; ++i) text += part;
  return text;
}

TEST(FixText, TakesTimeInProportionToTheLengthOfHostileText) {
  constexpr std::size_t kBytes = 1'000'000;
  const std::u32string hostile[] = {
      repeated(U"\u00C3", kBytes),
      repeated(U"\u00E2\u20AC", kBytes),
      repeated(U"\u00C3\u00A9 \u4E00\u00C3", kBytes),
      repeated(U"&amp;", kBytes),
      // Each pass repairs one more character.
      U"\u00C3" + repeated(U"\u0083", kBytes),
      U"&" + repeated(U"amp;", kBytes),
  };
  for (const std::u32string& text : hostile) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(clean_caption(encode_utf8(text)).empty());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    // Less than a second; the bound leaves room for sanitizers. With a pass for every character it would be
    // hours.
    EXPECT_LT(seconds.count(), 60) << encode_utf8(text.substr(0, 8));
  }
}

TEST(FixText, RepairsLongChainsInTextOfOrdinaryLength) {
  EXPECT_EQ(fix_text(U"\u00C3" + std::u32string(1999, U'\u0083')), U"\u00C3");
  EXPECT_EQ(fix_text(U"&" + repeated(U"amp;", 1999)), U"&");
}

}  // namespace
}  // namespace cloob
