#include <sentencepiece_trainer.h>

#include <algorithm>
#include <unordered_map>

#include "cloob/base/files.h"
#include "cloob/text/sentencepiece_training.h"
#include "cloob/text/tokenizer.h"
#include "support/support.h"
#include "unit/text/sample_captions.h"

namespace cloob {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;

constexpr std::int64_t kPad = 0, kUnknown = 1, kStart = 2, kEnd = 3;

class SentencePiece : public ::testing::TestWithParam<SentencePieceModelType> {
 protected:
  std::shared_ptr<const Tokenizer> train(SentencePieceTrainingConfig config) {
    config.model_type = GetParam();
    train_sentencepiece(testing::sample_captions(), config, model_file_);
    return load();
  }
  std::shared_ptr<const Tokenizer> load() const {
    return make_tokenizer({.tokenizer = TokenizerKind::sentencepiece, .model_file = model_file_});
  }

  testing::TempDir folder_;
  const std::string model_file_ = folder_ / "captions.model";
};

TEST_P(SentencePiece, EncodesAndDecodes) {
  const auto tokenizer = train({.vocab_size = 100});
  EXPECT_EQ(tokenizer->vocab_size(), 100);
  EXPECT_EQ(tokenizer->pad_id(), kPad);
  const EncodedText encoded = tokenizer->encode("  Two children\trun along the river . ", 77);
  EXPECT_EQ(encoded.ids.front(), kStart);
  EXPECT_EQ(encoded.ids.back(), kEnd);
  EXPECT_THAT(encoded.ids, Each(AllOf(Ge(0), Le(99))));
  EXPECT_THAT(encoded.ids, Not(::testing::Contains(kUnknown)));
  EXPECT_EQ(tokenizer->decode(encoded.ids), "two children run along the river .");
}

TEST_P(SentencePiece, ReportsTextsThatAreEmptyAfterCleaning) {
  const auto tokenizer = train({.vocab_size = 100});
  EXPECT_TRUE(tokenizer->encode(" \t", 77).is_empty);
  EXPECT_FALSE(tokenizer->encode("a", 77).is_empty);
  EXPECT_FALSE(tokenizer->encode("a", 1).is_empty);
}

TEST_P(SentencePiece, PoolsAtTheEndTokenNotAtTheLargestId) {
  const auto tokenizer = train({.vocab_size = 100});
  const std::vector<std::string> texts = {"a dog", "an old man looks at an open book ."};
  const TokenBatch batch = encode_batch(*tokenizer, texts, 12);
  const auto* tokens = batch.tokens_BL.const_data_ptr<std::int64_t>();
  const auto* ends = batch.end_positions_B.const_data_ptr<std::int64_t>();
  for (int row = 0; row < 2; ++row, tokens += 12) {
    EXPECT_EQ(tokens[ends[row]], kEnd);
    EXPECT_NE(std::max_element(tokens, tokens + 12) - tokens, ends[row]);
    EXPECT_EQ(std::count(tokens + ends[row] + 1, tokens + 12, kPad), 11 - ends[row]);
  }
}

TEST_P(SentencePiece, KeepsTheEndTokenOfALongCaption) {
  const auto tokenizer = train({.vocab_size = 100});
  const std::string text = "the red-haired girl sleeps beside the beach at night .";
  const std::vector<std::int64_t> full = tokenizer->encode(text, 77).ids;
  const EncodedText truncated = tokenizer->encode(text, 5);
  EXPECT_THAT(truncated.ids, ::testing::ElementsAre(kStart, full[1], full[2], full[3], kEnd));
  EXPECT_EQ(truncated.end_position, 4);
  EXPECT_THAT(tokenizer->encode(text, 1).ids, ::testing::ElementsAre(kEnd));
}

TEST_P(SentencePiece, TrainingIsReproducible) {
  train({.vocab_size = 100});
  const std::string first = read_file(model_file_);
  train({.vocab_size = 100});
  EXPECT_EQ(read_file(model_file_), first);
}

TEST_P(SentencePiece, KeepsUpperCaseWhenRequested) {
  const auto tokenizer = train({.vocab_size = 100, .lower_case = false});
  EXPECT_THAT(tokenizer->encode("QZ", 77).ids, ::testing::Contains(kUnknown));
}

TEST_P(SentencePiece, ReportsThatTheCaptionsAreTooFew) {
  testing::expect_user_error([&] { train({.vocab_size = 50'000}); },
                             {"vocab_size is 50000, but the captions fill at most", "lower vocab_size"});
  EXPECT_FALSE(std::filesystem::exists(model_file_));
}

TEST_P(SentencePiece, ReportsThatTheVocabularyIsTooSmall) {
  testing::expect_user_error(
      [&] { train({.vocab_size = 10}); },
      {"vocab_size is 10, but the characters of the captions alone need", "raise vocab_size"});
}

INSTANTIATE_TEST_SUITE_P(ModelTypes, SentencePiece,
                         ::testing::Values(SentencePieceModelType::unigram, SentencePieceModelType::bpe),
                         [](const auto& test) { return std::string(enum_name(test.param)); });

TEST(TrainSentencePiece, ReportsThatThereAreNoCaptions) {
  const testing::TempDir folder;
  testing::expect_user_error([&] { train_sentencepiece({}, {}, folder / "x.model"); },
                             {"no captions", "0 given"});
  const std::vector<std::string> useless = {" \t", std::string(5000, 'x')};
  testing::expect_user_error([&] { train_sentencepiece(useless, {}, folder / "x.model"); }, {"2 given"});
}

TEST(TrainSentencePiece, ChecksBeforeTrainingThatTheOutputCanBeWritten) {
  testing::expect_user_error([] { train_sentencepiece(testing::sample_captions(), {}, "/absent/x.model"); },
                             {"cannot write '/absent/x.model'", "no folder '/absent'"});
}

TEST(TrainSentencePiece, UsesCaptionsFromTheEntireList) {
  const testing::TempDir folder;
  std::vector<std::string> captions(50, "aaaa bbbb abab");
  captions.insert(captions.end(), 50, "cccc dddd cdcd");
  train_sentencepiece(captions, {.vocab_size = 12, .max_captions = 10}, folder / "x.model");
  const auto tokenizer =
      make_tokenizer({.tokenizer = TokenizerKind::sentencepiece, .model_file = folder / "x.model"});
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("abab cdcd", 77).ids), "abab cdcd");
}

TEST(ReadCaptionLines, JoinsFilesAndSkipsEmptyLines) {
  const testing::TempDir folder;
  write_file_atomically(folder / "a.txt", "one cat\r\n\n  two cats \n");
  write_file_atomically(folder / "b.txt", "three cats");
  const std::vector<std::filesystem::path> files = {folder / "a.txt", folder / "b.txt"};
  EXPECT_THAT(read_caption_lines(files), ::testing::ElementsAre("one cat", "two cats", "three cats"));
  testing::expect_user_error(
      [&] { read_caption_lines(std::vector<std::filesystem::path>{folder / "c.txt"}); },
      {"c.txt", "No such file"});
}

class OtherModels : public ::testing::Test {
 protected:
  // Trains a model with the given options of sentencepiece.
  std::string train(std::unordered_map<std::string, std::string> options) {
    struct Captions final : sentencepiece::SentenceIterator {
      std::vector<std::string> lines = testing::sample_captions();
      std::size_t position = 0;
      bool done() const override { return position >= lines.size(); }
      void Next() override { ++position; }
      const std::string& value() const override { return lines[position]; }
      sentencepiece::util::Status status() const override { return {}; }
    } captions;
    options.insert({{"vocab_size", "100"}, {"minloglevel", "3"}});
    std::string model;
    EXPECT_TRUE(sentencepiece::SentencePieceTrainer::Train(options, &captions, &model).ok());
    write_file_atomically(folder_ / "other.model", model);
    return folder_ / "other.model";
  }

  static std::shared_ptr<const Tokenizer> load(const std::string& path) {
    return make_tokenizer({.tokenizer = TokenizerKind::sentencepiece, .model_file = path});
  }

  testing::TempDir folder_;
};

TEST_F(OtherModels, UseTheirOwnSpecialIds) {
  // sentencepiece's defaults: unknown 0, start 1, end 2, no padding.
  const auto tokenizer = load(train({}));
  const EncodedText encoded = tokenizer->encode("a dog", 77);
  EXPECT_EQ(encoded.ids.front(), 1);
  EXPECT_EQ(encoded.ids[static_cast<std::size_t>(encoded.end_position)], 2);
  EXPECT_EQ(tokenizer->pad_id(), 0);
}

TEST_F(OtherModels, NeedAStartAndAnEndToken) {
  testing::expect_user_error([&] { load(train({{"bos_id", "-1"}})); },
                             {"other.model", "no start token (bos_id is -1)", "cloob tokenizer train"});
  testing::expect_user_error([&] { load(train({{"eos_id", "-1"}})); }, {"no end token (eos_id is -1)"});
}

TEST_F(OtherModels, AreRejectedWhenTheyAreNotModels) {
  testing::expect_user_error([&] { load(folder_ / "absent.model"); }, {"absent.model", "No such file"});
  for (const char* content : {"", "no model", "\n\n\n"}) {
    write_file_atomically(folder_ / "broken.model", content);
    testing::expect_user_error([&] { load(folder_ / "broken.model"); },
                               {"broken.model", "not a sentencepiece model"});
  }
}

}  // namespace
}  // namespace cloob
