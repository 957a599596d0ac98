#include <thread>

#include "cloob/base/error.h"
#include "cloob/text/tokenizer.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

constexpr std::int64_t kStart = 49406, kEnd = 49407;

const Tokenizer& clip() {
  static const auto tokenizer = make_tokenizer({});
  return *tokenizer;
}

std::vector<std::int64_t> content(std::string_view text) {
  const std::vector<std::int64_t> ids = clip().encode(text, 77).ids;
  EXPECT_EQ(ids.front(), kStart);
  EXPECT_EQ(ids.back(), kEnd);
  return {ids.begin() + 1, ids.end() - 1};
}

TEST(ClipTokenizer, EncodesKnownCaptions) {
  EXPECT_EQ(clip().vocab_size(), 49408);
  EXPECT_THAT(content("a photo of a cat"), ElementsAre(320, 1125, 539, 320, 2368));
  EXPECT_THAT(content("it's 2023, isn't it?"),
              ElementsAre(585, 568, 273, 271, 273, 274, 267, 2923, 713, 585, 286));
  EXPECT_THAT(content("\xE7\x8C\xAB\xE3\x81\xAE\xE5\x86\x99\xE7\x9C\x9F"),
              ElementsAre(163, 234, 104, 21575, 44653, 33440, 509));
  EXPECT_THAT(content("\xF0\x9F\x98\x80 smile"), ElementsAre(7334, 3490));
  EXPECT_THAT(content(""), ElementsAre());
}

TEST(ClipTokenizer, ReportsTextsThatAreEmptyAfterCleaning) {
  for (const char* const text : {"", " \t", "&nbsp;", "\x01\x02", "\xE3\x80\x80"}) {
    EXPECT_TRUE(clip().encode(text, 77).is_empty) << text;
  }
  for (const char* const text : {"a", ".", "&amp;"}) EXPECT_FALSE(clip().encode(text, 77).is_empty) << text;
  EXPECT_FALSE(clip().encode("a cat", 1).is_empty);
}

TEST(ClipTokenizer, RepairsMojibake) {
  // The German word for "beautiful", with two characters for its o umlaut.
  EXPECT_THAT(content("sch\xC3\x83\xC2\xB6n"), ElementsAre(844, 7255, 333));
}

TEST(ClipTokenizer, KeepsTheEndTokenOfALongCaption) {
  std::string words;
  for (int i = 0; i < 200; ++i) words += "word ";
  const EncodedText encoded = clip().encode(words, 77);
  EXPECT_EQ(encoded.ids.size(), 77u);
  EXPECT_EQ(encoded.ids[75], 2653);
  EXPECT_EQ(encoded.ids[76], kEnd);
  EXPECT_EQ(encoded.end_position, 76);
}

TEST(ClipTokenizer, FitsExactlyOrTruncates) {
  EXPECT_THAT(clip().encode("a cat", 4).ids, ElementsAre(kStart, 320, 2368, kEnd));
  EXPECT_THAT(clip().encode("a cat", 3).ids, ElementsAre(kStart, 320, kEnd));
  EXPECT_THAT(clip().encode("a cat", 1).ids, ElementsAre(kEnd));
}

TEST(ClipTokenizer, PoolsAtTheFirstEndToken) {
  const EncodedText encoded = clip().encode("x<end_of_text>y", 77);
  EXPECT_THAT(encoded.ids, ElementsAre(kStart, 343, kEnd, 344, kEnd));
  EXPECT_EQ(encoded.end_position, 2);
}

TEST(ClipTokenizer, DropsTheEndTokenLikeThePublishedRun) {
  const auto truncating = make_tokenizer({.truncation = Truncation::cut});
  const EncodedText long_caption = truncating->encode("a photo of a cat", 4);
  EXPECT_THAT(long_caption.ids, ElementsAre(kStart, 320, 1125, 539));
  EXPECT_EQ(long_caption.end_position, 0) << "the start token is the largest remaining token";
  const EncodedText short_caption = truncating->encode("a cat", 4);
  EXPECT_THAT(short_caption.ids, ElementsAre(kStart, 320, 2368, kEnd));
  EXPECT_EQ(short_caption.end_position, 3);
}

TEST(ClipTokenizer, Decodes) {
  const auto ids = clip().encode("A photo of the cat's \xC3\xA9t\xC3\xA9, 12!", 77).ids;
  EXPECT_EQ(clip().decode(ids), "a photo of the cat 's \xC3\xA9t\xC3\xA9 , 1 2 !");
  EXPECT_EQ(clip().decode(std::vector<std::int64_t>{kStart, 320, 2368, kEnd, 0, 0}), "a cat");
  EXPECT_EQ(clip().decode(std::vector<std::int64_t>{kStart, 163, 234, kEnd}), "\xEF\xBF\xBD")
      << "part of a character";
  EXPECT_THROW(clip().decode(std::vector<std::int64_t>{49408}), InternalError);
}

TEST(ClipTokenizer, IsThreadSafe) {
  const std::vector<std::string> captions = {"a photo of a cat", "unquestionably antidisestablishmentarian",
                                             "\xCE\x9A\xCE\x9F\xCE\xA3\xCE\x9C\xCE\x9F\xCE\xA3 &eacute;",
                                             "12345 !?"};
  std::vector<std::vector<std::int64_t>> expected;
  for (const std::string& caption : captions) expected.push_back(clip().encode(caption, 77).ids);
  std::vector<int> mistakes(4);
  std::vector<std::thread> threads;
  for (int& count : mistakes) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < 2000; ++i) {
        count += clip().encode(captions[i % captions.size()], 77).ids != expected[i % captions.size()];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(mistakes, ::testing::Each(0));
}

TEST(EncodeBatch, PadsRows) {
  const std::vector<std::string> texts = {"a cat", "", "a photo of a cat"};
  const TokenBatch batch = encode_batch(clip(), texts, 5);
  EXPECT_EQ(batch.tokens_BL.sizes(), (std::vector<std::int64_t>{3, 5}));
  const auto* tokens = batch.tokens_BL.const_data_ptr<std::int64_t>();
  EXPECT_THAT(std::vector<std::int64_t>(tokens, tokens + 15),
              ElementsAre(kStart, 320, 2368, kEnd, 0, kStart, kEnd, 0, 0, 0, kStart, 320, 1125, 539, kEnd));
  const auto* ends = batch.end_positions_B.const_data_ptr<std::int64_t>();
  EXPECT_THAT(std::vector<std::int64_t>(ends, ends + 3), ElementsAre(3, 1, 4));
}

TEST(EncodeBatch, HasTheLengthOfTheLongestText) {
  const std::vector<std::string> texts = {"a cat", ""};
  EXPECT_EQ(encode_batch(clip(), texts, 77).tokens_BL.sizes(), (std::vector<std::int64_t>{2, 4}));
}

TEST(EncodeBatch, AcceptsNoTexts) { EXPECT_EQ(encode_batch(clip(), {}, 5).tokens_BL.size(0), 0); }

TEST(MakeTokenizer, ReportsContradictingSettings) {
  testing::expect_user_error([] { make_tokenizer({.tokenizer = TokenizerKind::sentencepiece}); },
                             {"text.model_file is empty", "cloob tokenizer train"});
  testing::expect_user_error(
      [] {
        make_tokenizer(
            {.tokenizer = TokenizerKind::sentencepiece, .model_file = "x", .truncation = Truncation::cut});
      },
      {"text.truncation is cut", "keep_end"});
  testing::expect_user_error([] { make_tokenizer({.vocabulary_file = "/absent/vocabulary.gz"}); },
                             {"/absent/vocabulary.gz", "No such file"});
}

}  // namespace
}  // namespace cloob
