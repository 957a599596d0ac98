#include "cloob/data/captions.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/loader/loader.h"
#include "cloob/text/tokenizer.h"
#include "support/number_source.h"
#include "support/support.h"

namespace cloob {
namespace {

using ::testing::HasSubstr;

RandomStream stream_of(std::uint64_t number) { return {RandomUse::caption_choice, {number}}; }

RawSample sample_with(std::vector<std::string> captions, std::vector<double> weights = {}) {
  RawSample sample;
  sample.captions = std::move(captions);
  sample.caption_weights = std::move(weights);
  return sample;
}

TEST(ChooseCaption, DrawsInProportionToTheWeights) {
  const RawSample sample = sample_with({"a", "b", "c"}, {6, 3, 1});
  constexpr int kDraws = 10'000;
  std::map<std::size_t, int> counts;
  for (std::uint64_t i = 0; i < kDraws; ++i) ++counts[choose_caption(sample, stream_of(i))];
  // Five standard deviations.
  EXPECT_NEAR(counts[0], 6000, 245);
  EXPECT_NEAR(counts[1], 3000, 230);
  EXPECT_NEAR(counts[2], 1000, 150);
}

TEST(ChooseCaption, DrawsUniformlyWithoutWeights) {
  const RawSample sample = sample_with({"a", "b", "c"});
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(choose_caption(sample, stream_of(i)), stream_of(i).below(3));
  }
}

TEST(ChooseCaption, StaysInRangeForExtremeWeights) {
  const RawSample sample = sample_with({"a", "b", "c"}, {1e12, 1e12, 1e-300});
  for (std::uint64_t i = 0; i < 1000; ++i) EXPECT_LT(choose_caption(sample, stream_of(i)), 3u);
  const RawSample uneven = sample_with({"a", "b"}, {1});
  EXPECT_THROW(choose_caption(uneven, stream_of(0)), InternalError);
}

TEST(ThrowEmptyAfterCleaning, ShowsInvisibleCharacters) {
  try {
    throw_empty_after_cleaning("\xe2\x80\x8b\xff&nbsp;");
  } catch (const BadSample& bad) {
    EXPECT_EQ(bad.kind(), BadKind::empty_after_cleaning);
    EXPECT_STREQ(bad.what(), R"(nothing is left of the caption "\u200b\ufffd&nbsp;")");
  }
}

// Sample 5 has another caption.
class OtherCaptionSource final : public Source {
 public:
  explicit OtherCaptionSource(std::string caption) : caption_(std::move(caption)) {}
  std::int64_t size() const override { return numbers_.size(); }
  RawSample read(std::int64_t index) const override {
    RawSample sample = numbers_.read(index);
    if (index == 5) sample.captions = {caption_};
    return sample;
  }
  std::string describe(std::int64_t index) const override { return numbers_.describe(index); }

 private:
  std::string caption_;
  testing::NumberSource numbers_{8};
};

TEST(ThrowEmptyAfterCleaning, SkipsTheSampleInTheBatch) {
  const Preprocess preprocess = with_text(testing::number_preprocess(), make_tokenizer({}), 16);
  Loader loader(std::make_shared<OtherCaptionSource>("&nbsp;"), preprocess, testing::training_options(8));
  const Batch batch = loader.next();
  EXPECT_EQ(batch.size(), 7);
  EXPECT_EQ(loader.samples_seen(), 8);
  EXPECT_EQ(loader.bad_samples().by_kind(), "1 empty after cleaning");
  EXPECT_THAT(loader.bad_samples().examples(BadKind::empty_after_cleaning).front(),
              HasSubstr("number 5: nothing is left of the caption \"&nbsp;\""));
}

// Python, too, does not decode such a caption.
TEST(RequireUtf8, SkipsTheSampleInTheBatch) {
  const Preprocess preprocess = with_text(testing::number_preprocess(), make_tokenizer({}), 16);
  Loader loader(std::make_shared<OtherCaptionSource>("caf\xE9"), preprocess, testing::training_options(8));
  EXPECT_EQ(loader.next().size(), 7);
  EXPECT_EQ(loader.bad_samples().by_kind(), "1 caption not utf8");
  EXPECT_THAT(loader.bad_samples().examples(BadKind::caption_not_utf8).front(),
              HasSubstr("number 5: byte 4 of the caption, 0xe9, is not UTF-8"));
  EXPECT_NO_THROW(require_utf8("caf\xC3\xA9 \xEF\xBF\xBD"));
}

}  // namespace
}  // namespace cloob
