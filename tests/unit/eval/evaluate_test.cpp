#include "cloob/eval/evaluate.h"

#include <ATen/ATen.h>

#include <limits>

#include "support/support.h"
#include "unit/eval/sample_pairs.h"
#include "unit/eval/scaled_model.h"
#include "unit/model/tiny_models.h"

namespace cloob {
namespace {

using testing::ColorSource;
using ::testing::ElementsAre;
using testing::LetterTokenizer;

class Evaluate : public ::testing::Test {
 protected:
  Evaluate() { options_.data.max_bad_share = 0.5; }

  std::vector<PairFeatures> encode(const std::shared_ptr<const Source>& source, EvalCaptions captions) const {
    return encode_pairs(encoder_, source, captions, options_, SingleProcess());
  }
  LossResult loss_of(const std::vector<PairFeatures>& pairs, std::int64_t batch_size) {
    return evaluate_loss(pairs, model_, batch_size, SingleProcess());
  }

  testing::ScaledModel model_{testing::random_model(testing::tiny_vit(), 3)};
  FeatureEncoder encoder_{model_, ImageConfig{}, std::make_shared<LetterTokenizer>()};
  EncodeOptions options_{.precision = Precision::fp32, .batch_size = 4, .data = {}};
};

TEST_F(Evaluate, ReadsImagesOnceForRetrievalAndLoss) {
  const auto source = std::make_shared<ColorSource>(10);
  const std::vector<PairFeatures> pairs = encode(source, EvalCaptions::all);
  EXPECT_EQ(source->num_reads, 10);
  ASSERT_EQ(pairs.size(), 3U);  // of whole batches
  EXPECT_THAT(pairs[0].image_of_text, ElementsAre(0, 0, 1, 1, 2, 2, 3, 3));
  EXPECT_THAT(pairs[2].image_of_text, ElementsAre(0, 0, 1, 1));
  // The loss ignores second captions.
  EXPECT_NEAR(loss_of(pairs, 5).loss, loss_of(encode(source, EvalCaptions::first), 5).loss, 1e-6);
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
  testing::expect_user_error(
      [&] { encode_pairs(larger, source, EvalCaptions::first, options_, SingleProcess()); },
      {"the tokenizer has 1000 tokens, but model.text.vocab_size is 40"});
  EXPECT_EQ(source->num_reads, 0);  // known before any image is read
}

TEST_F(Evaluate, TheLossIsTheMeanOverFullBatches) {
  const std::vector<PairFeatures> pairs = encode(std::make_shared<ColorSource>(10), EvalCaptions::first);
  const LossResult result = loss_of(pairs, 4);
  EXPECT_EQ(result.batch_size, 4);
  EXPECT_EQ(result.num_batches, 2);
  EXPECT_EQ(result.num_pairs, 8);
  double expected = 0, weight = 0;
  for (const std::size_t part : {0U, 1U}) {
    const PairMeasures measures = model_.measure_pairs(pairs[part].image_ND, pairs[part].text_MD);
    expected += measures.loss.item<double>() / 2;
    weight += measures.gradient_weight.item<double>() / 2;
  }
  EXPECT_DOUBLE_EQ(result.loss, expected);
  EXPECT_DOUBLE_EQ(result.gradient_weight.value(), weight);
  EXPECT_FALSE(result.positive_mass.has_value());
  EXPECT_FALSE(result.retrieval_entropy.has_value());
}

TEST_F(Evaluate, TheLossOfFewerPairsThanABatchUsesAllOfThem) {
  const auto source = std::make_shared<ColorSource>(6, std::set<std::int64_t>{2});
  const LossResult result = loss_of(encode(source, EvalCaptions::first), 100);
  EXPECT_EQ(result.batch_size, 5);
  EXPECT_EQ(result.num_batches, 1);
  EXPECT_EQ(result.num_pairs, 5);
}

TEST_F(Evaluate, ALossNeedsTwoUsablePairs) {
  const auto source = std::make_shared<ColorSource>(2, std::set<std::int64_t>{0});
  testing::expect_user_error([&] { loss_of(encode(source, EvalCaptions::first), 16); },
                             {"1 usable pairs", "2"});
}

TEST_F(Evaluate, ZeroShotNamesAnImageWhoseFeaturesAreNotFinite) {
  class BrokenModel final : public FeatureModel {
   public:
    explicit BrokenModel(FeatureModel& model) : model_(model) {}
    const ModelConfig& config() const override { return model_.config(); }
    c10::Device device() const override { return model_.device(); }
    // The second image of every batch.
    ImageFeatureStages encode_image(const at::Tensor& images_BCHW, const FeatureStages& more) override {
      ImageFeatureStages features = model_.encode_image(images_BCHW, more);
      features.unit_BD[1].fill_(std::numeric_limits<float>::quiet_NaN());
      return features;
    }
    at::Tensor encode_text(const at::Tensor& tokens_BL, const at::Tensor& ends_B) override {
      return model_.encode_text(tokens_BL, ends_B);
    }
    PairMeasures measure_pairs(const at::Tensor& image_ND, const at::Tensor&) override {
      return {.loss = image_ND.sum()};
    }
    std::int64_t min_pairs() const override { return 2; }
    std::string loss_name() const override { return "none"; }

   private:
    FeatureModel& model_;
  } broken(model_);
  const FeatureEncoder encoder(broken, ImageConfig{}, std::make_shared<LetterTokenizer>());
  const ZeroShotPrompts prompts = {.class_names = {"a", "b", "c", "d", "e"},
                                   .templates = {"{c}"},
                                   .class_folders = {},
                                   .names_from = "names.txt",
                                   .templates_from = ""};
  const auto source = std::make_shared<ColorSource>(8, std::set<std::int64_t>{0});
  testing::expect_user_error([&] { evaluate_zero_shot(encoder, source, prompts, options_, SingleProcess()); },
                             {"the features of image 2 are not finite"});
}

TEST_F(Evaluate, MaxSamplesSelectsEvenlySpacedImages) {
  const auto source = std::make_shared<ColorSource>(10);
  options_.max_samples = 4;
  EXPECT_THAT(encoder_.encode_images(source, options_).indices, ElementsAre(0, 2, 5, 7));
  EXPECT_EQ(source->num_reads, 4);
  options_.max_samples = 100;
  EXPECT_EQ(encoder_.encode_images(source, options_).indices.size(), 10U);
}

TEST_F(Evaluate, EncodesTheStagesThatAreAskedFor) {
  const auto source = std::make_shared<ColorSource>(10, std::set<std::int64_t>{3});
  options_.more_stages = {FeatureStage::tower};
  const ImageFeatureStages features = encoder_.encode_images(source, options_).features;
  EXPECT_EQ(features.unit_BD.sizes(), at::IntArrayRef({9, model_.config().embed_dim}));
  EXPECT_EQ(features.tower_BW.sizes(), at::IntArrayRef({9, model_.config().image.width}));
  EXPECT_FALSE(features.raw_BD.defined());
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
