#include "cloob/eval/evaluate.h"

#include <ATen/ATen.h>

#include <atomic>
#include <cstring>

#include "cloob/data/bad_samples.h"
#include "cloob/image/encode.h"
#include "support/support.h"
#include "unit/eval/scaled_model.h"
#include "unit/model/tiny_models.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;

// Images of a single color with two captions each; counts how many images are read.
class ColorSource final : public Source {
 public:
  explicit ColorSource(std::int64_t size, std::int64_t broken = -1) : size_(size), broken_(broken) {}

  std::int64_t size() const override { return size_; }
  RawSample read(std::int64_t index) const override {
    ++num_reads;
    if (index == broken_) throw BadSample(BadKind::not_an_image, "it is broken");
    ImageU8 image = make_image({24, 24}, PixelMode::rgb);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      image.pixels[i] = static_cast<std::uint8_t>(37 * (index + 1) * static_cast<std::int64_t>(i % 3 + 1));
    }
    const std::string png = encode_png(image);
    RawSample sample{std::to_string(index), std::vector<std::byte>(png.size()), read_captions(index)};
    std::memcpy(sample.image_bytes.data(), png.data(), png.size());
    return sample;
  }
  std::vector<std::string> read_captions(std::int64_t index) const override {
    return {std::string(1, static_cast<char>('a' + index)), std::string(2, static_cast<char>('a' + index))};
  }
  std::string describe(std::int64_t index) const override { return std::to_string(index); }

  mutable std::atomic<int> num_reads = 0;

 private:
  std::int64_t size_;
  std::int64_t broken_;
};

// One token per letter.
class LetterTokenizer final : public Tokenizer {
 public:
  explicit LetterTokenizer(std::int64_t vocab_size = 40) : vocab_size_(vocab_size) {}
  EncodedText encode(std::string_view text, std::int64_t) const override {
    EncodedText encoded{{1}, static_cast<std::int64_t>(text.size()) + 1};
    for (const char letter : text) encoded.ids.push_back(letter - 'a' + 3);
    encoded.ids.push_back(2);
    return encoded;
  }
  std::string decode(std::span<const std::int64_t>) const override { return {}; }
  std::int64_t vocab_size() const override { return vocab_size_; }
  std::int64_t pad_id() const override { return 0; }

 private:
  std::int64_t vocab_size_;
};

class Evaluate : public ::testing::Test {
 protected:
  Evaluate() { options_.data.max_bad_share = 0.5; }

  PairFeatures encode(const std::shared_ptr<const Source>& source, EvalCaptions captions) const {
    return encode_pairs(encoder_, source, captions, options_);
  }

  testing::ScaledModel model_{testing::random_model(testing::tiny_vit(), 3)};
  FeatureEncoder encoder_{model_, ImageConfig{}, std::make_shared<LetterTokenizer>()};
  EncodeOptions options_{.precision = Precision::fp32, .batch_size = 4, .data = {}};
};

TEST_F(Evaluate, ReadsImagesOnceForRetrievalAndLoss) {
  const auto source = std::make_shared<ColorSource>(10);
  const PairFeatures pairs = encode(source, EvalCaptions::all);
  EXPECT_EQ(source->num_reads, 10);
  EXPECT_THAT(pairs.image_of_text, ElementsAre(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9));
  EXPECT_EQ(named_numbers(evaluate_retrieval(pairs)),
            named_numbers(evaluate_retrieval(encode(source, EvalCaptions::all))));
  // The loss ignores second captions.
  EXPECT_EQ(evaluate_loss(pairs, model_, 5).loss,
            evaluate_loss(encode(source, EvalCaptions::first), model_, 5).loss);
}

TEST_F(Evaluate, EncodesImagesWithoutATokenizerThatFits) {
  const FeatureEncoder without(model_, ImageConfig{}, nullptr);
  EXPECT_EQ(without.encode_images(std::make_shared<ColorSource>(3), options_).indices.size(), 3u);
  const std::vector<std::string> texts = {"a"};
  testing::expect_user_error([&] { without.encode_texts(texts, options_); },
                             {"does not contain its tokenizer", "images can"});
  const auto large = std::make_shared<LetterTokenizer>(1000);
  const FeatureEncoder larger(model_, ImageConfig{}, large);
  const auto source = std::make_shared<ColorSource>(3);
  testing::expect_user_error([&] { encode_pairs(larger, source, EvalCaptions::first, options_); },
                             {"the tokenizer has 1000 tokens, but model.text.vocab_size is 40"});
  EXPECT_EQ(source->num_reads, 0);  // known before any image is read
}

TEST_F(Evaluate, TheLossIsTheMeanOverFullBatches) {
  const PairFeatures pairs = encode(std::make_shared<ColorSource>(10), EvalCaptions::first);
  const LossResult result = evaluate_loss(pairs, model_, 4);
  EXPECT_EQ(result.batch_size, 4);
  EXPECT_EQ(result.num_batches, 2);
  EXPECT_EQ(result.num_pairs, 8);
  double expected = 0;
  for (const std::int64_t first : {0, 4}) {
    expected += model_.pair_loss(pairs.image_ND.narrow(0, first, 4), pairs.text_MD.narrow(0, first, 4))
                    .item<double>() /
                2;
  }
  EXPECT_DOUBLE_EQ(result.loss, expected);
}

TEST_F(Evaluate, TheLossOfFewerPairsThanABatchUsesAllOfThem) {
  const auto source = std::make_shared<ColorSource>(6, /*broken=*/2);
  const LossResult result = evaluate_loss(encode(source, EvalCaptions::first), model_, 100);
  EXPECT_EQ(result.batch_size, 5);
  EXPECT_EQ(result.num_batches, 1);
  EXPECT_EQ(result.num_pairs, 5);
}

TEST_F(Evaluate, ALossNeedsTwoUsablePairs) {
  const auto source = std::make_shared<ColorSource>(2, /*broken=*/0);
  testing::expect_user_error([&] { evaluate_loss(encode(source, EvalCaptions::first), model_, 16); },
                             {"1 usable pairs", "2"});
}

TEST_F(Evaluate, MaxSamplesSelectsEvenlySpacedImages) {
  const auto source = std::make_shared<ColorSource>(10);
  options_.max_samples = 4;
  EXPECT_THAT(encoder_.encode_images(source, options_).indices, ElementsAre(0, 2, 5, 7));
  EXPECT_EQ(source->num_reads, 4);
  options_.max_samples = 100;
  EXPECT_EQ(encoder_.encode_images(source, options_).indices.size(), 10U);
}

TEST_F(Evaluate, ReportsProgressWithUnits) {
  std::vector<std::string> seen;
  options_.report = [&](const Progress& progress) {
    seen.push_back(progress.unit + " " + std::to_string(progress.step) + "/" +
                   std::to_string(progress.num_steps));
  };
  encode(std::make_shared<ColorSource>(6), EvalCaptions::first);
  EXPECT_THAT(seen, ElementsAre("image 4/6", "image 6/6", "text 4/6", "text 6/6"));
}

}  // namespace
}  // namespace cloob
