#include "cloob/data/captions.h"

#include <map>
#include <span>
#include <string>
#include <vector>

#include "cloob/data/bad_samples.h"
#include "cloob/data/source.h"
#include "support/support.h"
#include "support/test_files.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The captions in {"c": VALUE}.
WeightedCaptions captions_of(const std::string& value) {
  const std::string text = "{\"c\": " + value + "}";
  return captions_in_json(std::as_bytes(std::span(text)), "c");
}

TEST(CaptionsInJson, KeepsTheOrderOfListsWithoutWeights) {
  for (const auto& [value, expected] : std::map<std::string, std::vector<std::string>>{
           {R"("z")", {"z"}}, {R"(["z", "a", " b "])", {"z", "a", "b"}}, {"[]", {}}, {"null", {}}}) {
    const WeightedCaptions captions = captions_of(value);
    EXPECT_EQ(captions.captions, expected) << value;
    EXPECT_THAT(captions.weights, IsEmpty()) << value;
  }
}

TEST(CaptionsInJson, PutsTheHeaviestFirst) {
  const WeightedCaptions list = captions_of(R"([{"caption": "light", "weight": 0.5}, "plain", )"
                                            R"({"caption": "heavy", "weight": 2}, {"caption": "one"}])");
  EXPECT_THAT(list.captions, ElementsAre("heavy", "plain", "one", "light"));
  EXPECT_THAT(list.weights, ElementsAre(2, 1, 1, 0.5));
  const WeightedCaptions object = captions_of(R"({"a dog": 1, "a brown dog": 3.5, "": 9})");
  EXPECT_THAT(object.captions, ElementsAre("a brown dog", "a dog"));
  EXPECT_THAT(object.weights, ElementsAre(3.5, 1));
}

TEST(CaptionsInJson, RejectsInvalidWeights) {
  for (const std::string weight : {"0", "-1", "\"2\"", "null", "true", "[1]", "1e+300"}) {
    for (const std::string& value :
         {"{\"a\": " + weight + "}", "[{\"caption\": \"a\", \"weight\": " + weight + "}]"}) {
      try {
        captions_of(value);
        ADD_FAILURE() << value << " is accepted";
      } catch (const BadSample& bad) {
        EXPECT_EQ(bad.kind(), BadKind::no_caption);
        EXPECT_THAT(bad.what(), HasSubstr("a weight in 'c' in the .json member is " + weight)) << value;
      }
    }
  }
}

std::string error_of(const std::string& text) {
  try {
    captions_in_json(std::as_bytes(std::span(text)), "c");
  } catch (const BadSample& bad) {
    EXPECT_EQ(bad.kind(), BadKind::no_caption);
    return bad.what();
  }
  return "";
}

TEST(CaptionsInJson, AreReadAsPythonWritesThem) {
  const WeightedCaptions captions = captions_of(R"(["a \ud83d dog", null], "similarity": NaN)");
  EXPECT_THAT(captions.captions, ElementsAre("a \uFFFD dog"));
}

// MetaCLIP's texts.
TEST(CaptionsInJson, MayHaveTheirSources) {
  const WeightedCaptions captions = captions_of(R"([["alt", "a dog"], ["title", "the dog"], ["alt", ""]])");
  EXPECT_THAT(captions.captions, ElementsAre("a dog", "the dog"));
  EXPECT_THAT(captions.weights, IsEmpty());
}

TEST(CaptionsInJson, SaysWhatIsWrong) {
  EXPECT_EQ(error_of("{\"c\": \"a\","), "the .json member is not JSON (byte 11)");
  EXPECT_EQ(error_of("[1]"), "the .json member is not a JSON object");
  EXPECT_EQ(error_of(std::string(100'000, '[')), "the .json member is nested more than 64 levels deep");
}

TEST(CaptionsInJson, RejectsEntriesWithoutText) {
  for (const std::string value : {R"([{"text": "a"}])", R"([{"caption": 3}])", "[[\"a\"]]", "true"}) {
    EXPECT_THROW(captions_of(value), BadSample) << value;
  }
}

TEST(TarSource, ReturnsTheWeightsOfCaptions) {
  const testing::TempDir folder;
  const auto path = testing::write_tar(
      folder / "0.tar", {{"a.jpg", "A"}, {"a.json", R"({"c": {"a dog": 1, "a brown dog": 3}})"}});
  DataConfig config;
  config.webdataset.json_caption_field = "c";
  const auto source = make_source(config, {path.string()}, Purpose::training);
  const RawSample sample = source->read(0);
  EXPECT_THAT(sample.captions, ElementsAre("a brown dog", "a dog"));
  EXPECT_THAT(sample.caption_weights, ElementsAre(3, 1));
  EXPECT_THAT(source->read_captions(0), ElementsAre("a brown dog", "a dog"));
}

TEST(PercentEncoding, IsDecodedAsByPython) {
  EXPECT_EQ(percent_decoded("a+dog%2C+asleep%21"), "a dog, asleep!");
  EXPECT_EQ(percent_decoded("%E4%BD%a0"), "\xe4\xbd\xa0");
  EXPECT_EQ(percent_decoded("100% of %zz %4 %"), "100% of %zz %4 %");
  EXPECT_EQ(percent_decoded("1%2B1"), "1+1");
}

TEST(PercentEncoding, IsRecognized) {
  for (const char* text : {"a+dog", "Mus%C3%A9e", "IMG%5F1", "a+dog%2C+asleep"})
    EXPECT_TRUE(looks_percent_encoded(text)) << text;
  for (const char* text : {"a dog", "C++", "100% cotton", "a + b", "50%", "", "+1", "a dog%2C"})
    EXPECT_FALSE(looks_percent_encoded(text)) << text;
}

}  // namespace
}  // namespace cloob
