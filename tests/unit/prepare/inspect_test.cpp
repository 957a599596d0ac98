#include "cloob/prepare/inspect.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/image/decode.h"
#include "cloob/image/encode.h"
#include "support/support.h"
#include "test_images.h"

namespace cloob {
namespace {

using testing::blocks;
using ::testing::ElementsAre;
using testing::fill;
using ::testing::HasSubstr;
using ::testing::Pair;

std::vector<std::byte> bytes_of(const std::string& text) {
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

/// Samples in memory, in files of ten.
class ListedSource final : public Source {
 public:
  std::int64_t size() const override { return static_cast<std::int64_t>(samples.size()); }
  std::vector<SourcePart> parts() const override {
    return std::vector<SourcePart>((samples.size() + 9) / 10);
  }
  std::map<std::string, std::int64_t> member_kinds() const override { return {{"jpg,txt", size()}}; }
  RawSample read(std::int64_t index) const override {
    if (const auto found = bad.find(index); found != bad.end())
      throw BadSample(found->second, "it is broken");
    return samples.at(static_cast<std::size_t>(index));
  }
  std::string describe(std::int64_t index) const override { return fmt::format("list, sample {}", index); }

  /// Adds a good sample, which may be modified.
  RawSample& add_good() {
    const auto number = static_cast<std::uint64_t>(samples.size());
    return add(encode_jpeg(blocks(256, 240, number), 90));
  }
  RawSample& add(const std::string& image) {
    const auto number = samples.size();
    samples.push_back({.key = fmt::format("key-{}", number),
                       .image_bytes = bytes_of(image),
                       .captions = {fmt::format("a picture with the number {}", number)}});
    return samples.back();
  }
  RawSample& add(const ImageU8& image) { return add(encode_png(image)); }

  std::vector<RawSample> samples;
  std::map<std::int64_t, BadKind> bad;
};

/// One token per word, plus a start and an end token.
class WordTokenizer final : public Tokenizer {
 public:
  EncodedText encode(std::string_view text, std::int64_t context_length) const override {
    const auto words = std::count(text.begin(), text.end(), ' ') + 1;
    EncodedText encoded;
    encoded.ids.resize(static_cast<std::size_t>(std::min<std::int64_t>(words + 2, context_length)));
    return encoded;
  }
  std::string decode(std::span<const std::int64_t>) const override { return ""; }
  std::int64_t vocab_size() const override { return 1; }
  std::int64_t pad_id() const override { return 0; }
};

InspectOptions options_for_all_samples() {
  InspectOptions options;
  options.limit = 0;
  options.threads = 2;
  options.tokenizer = std::make_shared<WordTokenizer>();
  return options;
}

/// Expects these counts, and zero for all other suspicions.
void expect_suspicions(const DataInspection& found, const std::map<Suspicion, std::int64_t>& expected) {
  for (const auto& [name, suspicion] : EnumNames<Suspicion>::names) {
    const auto wanted = expected.find(suspicion);
    EXPECT_EQ(found.of(suspicion).count, wanted == expected.end() ? 0 : wanted->second) << name;
  }
}

InspectionExample first_example(const DataInspection& found, Suspicion suspicion) {
  const auto& examples = found.of(suspicion).examples;
  return examples.empty() ? InspectionExample{-1, "none", "none"} : examples.front();
}

TEST(Inspect, FindsNothingWrongWithGoodSamples) {
  ListedSource source;
  for (int i = 0; i < 25; ++i) source.add_good();
  source.samples[3].captions = {"a dog that runs", "an animal in a meadow"};
  const DataInspection found = inspect_source(source, options_for_all_samples());
  expect_suspicions(found, {});
  EXPECT_EQ(found.num_samples, 25);
  EXPECT_EQ(found.num_files, 3);
  EXPECT_EQ(found.num_inspected, 25);
  EXPECT_EQ(found.num_usable, 25);
  EXPECT_EQ(found.num_captions, 26);
  EXPECT_THAT(found.member_kinds, ElementsAre(Pair("jpg,txt", 25)));
  EXPECT_THAT(found.formats, ElementsAre(Pair("JPEG", 25)));
  EXPECT_TRUE(found.frequent_captions.empty());
}

TEST(Inspect, MeasuresCaptionsAndImages) {
  ListedSource source;
  source.add(blocks(320, 240, 1)).captions = {"one two three", "four"};
  source.add(blocks(240, 480, 2)).captions = {"five six"};
  const DataInspection found = inspect_source(source, options_for_all_samples());
  const auto counts = [&](Measure measure) { return found.of(measure).counts(); };
  EXPECT_THAT(counts(Measure::captions_per_sample), ElementsAre(Pair(1, 1), Pair(2, 1)));
  EXPECT_THAT(counts(Measure::caption_characters), ElementsAre(Pair(4, 1), Pair(8, 1), Pair(13, 1)));
  EXPECT_THAT(counts(Measure::caption_words), ElementsAre(Pair(1, 1), Pair(2, 1), Pair(3, 1)));
  EXPECT_THAT(counts(Measure::caption_tokens), ElementsAre(Pair(3, 1), Pair(4, 1), Pair(5, 1)));
  EXPECT_THAT(counts(Measure::image_width), ElementsAre(Pair(240, 1), Pair(320, 1)));
  EXPECT_THAT(counts(Measure::image_height), ElementsAre(Pair(240, 1), Pair(480, 1)));
  EXPECT_EQ(found.of(Measure::image_megapixels).min(), 320 * 240 / 1e6);
  EXPECT_EQ(found.of(Measure::aspect_ratio).min(), 0.5);
  EXPECT_EQ(found.of(Measure::aspect_ratio).max(), 320.0 / 240);
  EXPECT_THAT(found.formats, ElementsAre(Pair("PNG", 2)));
  const auto bytes = source.samples[0].image_bytes.size() + source.samples[1].image_bytes.size();
  EXPECT_EQ(found.image_bytes, static_cast<std::int64_t>(bytes));
  EXPECT_EQ(found.of(Measure::image_kib).count(), 2);
}

TEST(Inspect, CountsUnusableSamplesByKind) {
  ListedSource source;
  for (int i = 0; i < 13; ++i) source.add_good();
  source.bad = {{1, BadKind::missing_file},
                {2, BadKind::no_caption},
                {4, BadKind::no_caption},
                {5, BadKind::no_caption},
                {6, BadKind::no_caption}};
  source.samples[7].image_bytes = bytes_of("not an image");
  source.samples[8].image_bytes.resize(source.samples[8].image_bytes.size() / 2);
  source.samples[9].image_bytes = bytes_of(encode_png(blocks(300, 300, 9)));
  source.samples[10].image_bytes = bytes_of(std::string("MM\0*....", 8));
  InspectOptions options = options_for_all_samples();
  options.max_image_pixels = 256 * 240;
  const DataInspection found = inspect_source(source, options);
  EXPECT_EQ(found.of(BadKind::missing_file).count, 1);
  EXPECT_EQ(found.of(BadKind::no_caption).count, 4);
  EXPECT_EQ(found.of(BadKind::not_an_image).count, 1);
  EXPECT_EQ(found.of(BadKind::unsupported_format).count, 1);
  EXPECT_EQ(found.of(BadKind::damaged_image).count, 1);
  EXPECT_EQ(found.of(BadKind::too_large).count, 1);
  EXPECT_EQ(found.of(BadKind::broken_shard).count, 0);
  EXPECT_EQ(found.num_usable, 4);
  EXPECT_EQ(found.num_captions, 4);
  EXPECT_EQ(found.of(Measure::image_width).count(), 4);
  ASSERT_EQ(found.of(BadKind::no_caption).examples.size(), 3u);
  EXPECT_EQ(found.of(BadKind::no_caption).examples[2].place, "list, sample 5");
  EXPECT_EQ(found.of(BadKind::missing_file).examples[0].detail, "it is broken");
  EXPECT_THAT(found.of(BadKind::unsupported_format).examples[0].detail, HasSubstr("TIFF"));
  EXPECT_THAT(found.of(BadKind::too_large).examples[0].detail, HasSubstr("300 x 300"));
}

// Inspection decodes at a reduced size if that is enough.
TEST(Inspect, FindsTheSameDamageAsTraining) {
  RandomStream random(RandomUse::synthetic_data, {4});
  ListedSource source;
  for (const int side : {100, 250, 400, 800}) {
    for (int i = 0; i < 40; ++i) {
      RawSample& sample = source.add(encode_jpeg(blocks(side, side, static_cast<std::uint64_t>(i)), 90));
      std::vector<std::byte>& bytes = sample.image_bytes;
      if (i % 2 == 0) bytes.resize(bytes.size() - random.below(bytes.size() / 8));
      for (std::uint64_t flips = random.below(6); flips > 0; --flips)
        bytes[random.below(bytes.size())] = static_cast<std::byte>(random.below(256));
    }
  }
  std::int64_t usable = 0;
  for (const RawSample& sample : source.samples) {
    try {
      decode_image(sample.image_bytes);
      ++usable;
    } catch (const DecodeError&) {
    }
  }
  EXPECT_GT(usable, 40);
  EXPECT_LT(usable, 120);
  EXPECT_EQ(inspect_source(source, options_for_all_samples()).num_usable, usable);
}

TEST(Inspect, CountsCaptionsThatAreEmptyAfterCleaning) {
  ListedSource source;
  for (int i = 0; i < 3; ++i) source.add_good();
  source.samples[1].captions = {"&nbsp;", " &nbsp;&nbsp; "};
  const DataInspection found = inspect_source(source, options_for_all_samples());
  const InspectionTally& empty = found.unusable[static_cast<std::size_t>(BadKind::empty_after_cleaning)];
  EXPECT_EQ(found.num_usable, 2);
  ASSERT_EQ(empty.count, 1);
  EXPECT_THAT(empty.examples.front().detail, HasSubstr("\"&nbsp;\""));
}

TEST(Inspect, CountsCaptionsThatAreNotUtf8) {
  ListedSource source;
  for (int i = 0; i < 3; ++i) source.add_good();
  source.samples[1].captions = {"caf\xE9", "&nbsp;"};
  const DataInspection found = inspect_source(source, options_for_all_samples());
  const InspectionTally& other = found.unusable[static_cast<std::size_t>(BadKind::caption_not_utf8)];
  EXPECT_EQ(found.num_usable, 2);
  ASSERT_EQ(other.count, 1);
  EXPECT_THAT(other.examples.front().detail, HasSubstr("byte 4 of the caption, 0xe9, is not UTF-8"));
}

TEST(Inspect, FindsSuspiciousCaptions) {
  ListedSource source;
  for (int i = 0; i < 12; ++i) source.add_good();
  source.samples[0].captions = {"&nbsp;", "a tall tree"};
  source.samples[1].captions = {"42 - 7"};
  source.samples[2].captions = {"ok", "a fine day"};
  source.samples[3].captions = {"DSC_001.jpg"};
  std::string words;
  for (int i = 0; i < 80; ++i) words += fmt::format(" w{}", i);
  source.samples[4].captions = {words};
  source.samples[5].captions = {"caf\xE9 with chairs", "chairs of a cafe"};
  source.samples[6].captions = {"A  dog runs"};
  source.samples[7].captions = {"a dog runs", "A Dog Runs"};
  source.samples[8].captions = {"42 - 7"};
  source.samples[9].captions = {"a first line\nand a second"};
  source.samples[10].captions = {"only one line\r\n"};
  const DataInspection found = inspect_source(source, options_for_all_samples());
  expect_suspicions(found, {{Suspicion::empty_caption, 1},
                            {Suspicion::no_letters, 2},
                            {Suspicion::few_letters, 1},
                            {Suspicion::address, 1},
                            {Suspicion::cut_caption, 1},
                            {Suspicion::invalid_caption, 1},
                            {Suspicion::line_break, 1},
                            {Suspicion::repeated_caption, 3}});
  EXPECT_EQ(first_example(found, Suspicion::line_break).place, "list, sample 9");
  EXPECT_EQ(first_example(found, Suspicion::few_letters).place, "list, sample 2");
  EXPECT_EQ(first_example(found, Suspicion::few_letters).detail, "'ok'");
  EXPECT_THAT(first_example(found, Suspicion::cut_caption).detail, HasSubstr("83 tokens: 'w0 w1"));
  EXPECT_EQ(first_example(found, Suspicion::repeated_caption).detail, "3 times 'A dog runs'");
  EXPECT_EQ(first_example(found, Suspicion::repeated_caption).index, 6);
  ASSERT_EQ(found.frequent_captions.size(), 2u);
  EXPECT_EQ(found.frequent_captions[0].caption, "A dog runs");
  EXPECT_EQ(found.frequent_captions[0].count, 3);
  EXPECT_EQ(found.frequent_captions[1].caption, "42 - 7");
  EXPECT_EQ(found.frequent_captions[1].count, 2);
  EXPECT_EQ(found.total_of(Suspicion::address), 16);
}

TEST(Inspect, FindsSuspiciousImages) {
  ListedSource source;
  for (int i = 0; i < 3; ++i) source.add_good();
  ImageU8 padded = blocks(400, 400, 100);
  fill(padded, {0, 0, 400, 80}, {255, 255, 255});
  fill(padded, {0, 320, 400, 80}, {255, 255, 255});
  source.add(encode_jpeg(padded, 90));  // 3
  ImageU8 letterbox = blocks(400, 400, 101);
  fill(letterbox, {0, 0, 40, 400}, {0, 0, 0});
  fill(letterbox, {360, 0, 40, 400}, {0, 0, 0});
  source.add(encode_jpeg(letterbox, 90));  // 4
  ImageU8 blank = make_image({300, 300}, PixelMode::rgb);
  fill(blank, {0, 0, 300, 300}, {200, 200, 200});
  source.add(blank);  // 5
  ImageU8 gray = blocks(256, 256, 102);
  for (std::size_t at = 0; at < gray.pixels.size(); at += 3)
    gray.pixels[at + 1] = gray.pixels[at + 2] = gray.pixels[at];
  source.add(gray);                    // 6
  source.add(blocks(1000, 230, 103));  // 7
  source.add(blocks(230, 100, 104));   // 8
  const DataInspection found = inspect_source(source, options_for_all_samples());
  expect_suspicions(found, {{Suspicion::white_border, 1},
                            {Suspicion::black_border, 1},
                            {Suspicion::one_color, 1},
                            {Suspicion::gray, 1},
                            {Suspicion::extreme_ratio, 1},
                            {Suspicion::small_image, 1}});
  EXPECT_EQ(first_example(found, Suspicion::white_border).place, "list, sample 3");
  EXPECT_EQ(first_example(found, Suspicion::white_border).detail, "80 and 80 of 400 pixels, top and bottom");
  EXPECT_EQ(first_example(found, Suspicion::black_border).detail, "40 and 40 of 400 pixels, left and right");
  EXPECT_EQ(first_example(found, Suspicion::one_color).index, 5);
  EXPECT_EQ(first_example(found, Suspicion::gray).index, 6);
  EXPECT_EQ(first_example(found, Suspicion::extreme_ratio).detail, "1000 x 230");
  EXPECT_EQ(first_example(found, Suspicion::small_image).detail, "230 x 100");
  EXPECT_THAT(found.of(Measure::border_percent).counts(), ElementsAre(Pair(20, 1), Pair(40, 1)));
  InspectOptions smaller = options_for_all_samples();
  smaller.image_size = 100;
  EXPECT_EQ(inspect_source(source, smaller).of(Suspicion::small_image).count, 0);
}

TEST(Inspect, FindsDuplicates) {
  ListedSource source;
  for (int i = 0; i < 12; ++i) source.add_good();
  source.samples[5].image_bytes = source.samples[2].image_bytes;
  source.samples[9].image_bytes = source.samples[2].image_bytes;
  source.samples[7].key = source.samples[1].key;
  // Table rows that name the same file are not duplicates of it.
  source.samples[11].key = source.samples[10].key;
  source.samples[11].image_bytes = source.samples[10].image_bytes;
  source.samples[4].key = "caf\xE9";
  const DataInspection found = inspect_source(source, options_for_all_samples());
  expect_suspicions(
      found, {{Suspicion::repeated_picture, 2}, {Suspicion::repeated_key, 2}, {Suspicion::invalid_key, 1}});
  EXPECT_EQ(first_example(found, Suspicion::repeated_picture).place, "list, sample 5");
  EXPECT_EQ(first_example(found, Suspicion::repeated_picture).detail,
            "as in list, sample 2, 3 times in total");
  EXPECT_EQ(first_example(found, Suspicion::invalid_key).detail, "'caf\xEF\xBF\xBD'");
}

ListedSource mixed_samples(int size) {
  ListedSource source;
  for (int i = 0; i < size; ++i) {
    RawSample& sample = source.add(blocks(i % 5 == 0 ? 40 : 250, 230, static_cast<std::uint64_t>(i % 90)));
    if (i % 3 == 0) sample.captions = {fmt::format("one of {}", i % 7), "42"};
    if (i % 17 == 4) source.bad[i] = i % 2 == 0 ? BadKind::unreadable : BadKind::no_image;
    if (i % 20 == 5) sample.key = "again";
  }
  return source;
}

void expect_equal(const InspectionTally& actual, const InspectionTally& expected) {
  EXPECT_EQ(actual.count, expected.count);
  ASSERT_EQ(actual.examples.size(), expected.examples.size());
  for (std::size_t i = 0; i < actual.examples.size(); ++i) {
    EXPECT_EQ(actual.examples[i].index, expected.examples[i].index);
    EXPECT_EQ(actual.examples[i].place, expected.examples[i].place);
    EXPECT_EQ(actual.examples[i].detail, expected.examples[i].detail);
  }
}

TEST(Inspect, FindsTheSameWithAnyNumberOfThreads) {
  const ListedSource source = mixed_samples(230);
  InspectOptions options = options_for_all_samples();
  options.threads = 1;
  const DataInspection expected = inspect_source(source, options);
  EXPECT_GT(expected.of(Suspicion::repeated_caption).count, 10);
  for (options.threads = 2; options.threads <= 5; ++options.threads) {
    const DataInspection found = inspect_source(source, options);
    EXPECT_EQ(found.num_usable, expected.num_usable);
    EXPECT_EQ(found.formats, expected.formats);
    for (std::size_t i = 0; i < kNumMeasures; ++i)
      EXPECT_EQ(found.measures[i].counts(), expected.measures[i].counts());
    for (std::size_t i = 0; i < kNumBadKinds; ++i) expect_equal(found.unusable[i], expected.unusable[i]);
    for (std::size_t i = 0; i < kNumSuspicions; ++i)
      expect_equal(found.suspicions[i], expected.suspicions[i]);
    ASSERT_EQ(found.frequent_captions.size(), expected.frequent_captions.size());
    for (std::size_t i = 0; i < found.frequent_captions.size(); ++i)
      EXPECT_EQ(found.frequent_captions[i].caption, expected.frequent_captions[i].caption);
    EXPECT_EQ(found.spread, expected.spread);
  }
}

/// Records which samples were read; all are unusable, which is fast.
class WatchedSource final : public Source {
 public:
  explicit WatchedSource(std::int64_t size) : size_(size) {}
  std::int64_t size() const override { return size_; }
  RawSample read(std::int64_t index) const override {
    read_.push_back(index);
    throw BadSample(BadKind::no_image, "none");
  }
  std::string describe(std::int64_t) const override { return "here"; }
  const std::vector<std::int64_t>& indices() const { return read_; }

 private:
  std::int64_t size_;
  mutable std::vector<std::int64_t> read_;
};

TEST(Inspect, InspectsTheRequestedNumberOfSamplesEvenlySpread) {
  struct Case {
    std::int64_t size, limit, expected;
  };
  for (const auto& [size, limit, expected] : {Case{1000, 0, 1000},
                                              {1000, 5000, 1000},
                                              {1000, 1000, 1000},
                                              {1000, 999, 999},
                                              {1000, 65, 65},
                                              {5, 3, 3},
                                              {7, 1, 1},
                                              {4'000'000'000'000, 6000, 6000},
                                              {1'000'003, 4096, 4096}}) {
    const WatchedSource source(size);
    InspectOptions options = options_for_all_samples();
    options.threads = 1;
    options.limit = limit;
    const DataInspection found = inspect_source(source, options);
    EXPECT_EQ(found.num_inspected, expected);
    EXPECT_EQ(found.of(BadKind::no_image).count, expected);
    const auto& indices = source.indices();
    ASSERT_EQ(static_cast<std::int64_t>(indices.size()), expected);
    EXPECT_TRUE(std::is_sorted(indices.begin(), indices.end()));
    EXPECT_EQ(std::set(indices.begin(), indices.end()).size(), indices.size());
    EXPECT_EQ(indices.front(), 0);
    if (expected > 1) {
      EXPECT_EQ(indices.back(), size - 1);
    }
    // The median index is in the middle of the source, up to the length of a run.
    if (expected > 64) {
      EXPECT_NEAR(static_cast<double>(indices[indices.size() / 2]), static_cast<double>(size) / 2,
                  static_cast<double>(size) / 40);
    }
  }
}

TEST(Inspect, ReportsProgressUpToTheEnd) {
  const WatchedSource source(500);
  std::vector<std::int64_t> steps;
  InspectOptions options = options_for_all_samples();
  options.threads = 1;
  inspect_source(source, options, [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(total, 500);
    steps.push_back(done);
  });
  ASSERT_FALSE(steps.empty());
  EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
  EXPECT_EQ(steps.back(), 500);
}

TEST(Inspect, PropagatesErrorsThatAreNotOfOneSample) {
  class FailingSource final : public Source {
   public:
    std::int64_t size() const override { return 1; }
    RawSample read(std::int64_t) const override { throw UserError("the disk is gone"); }
    std::string describe(std::int64_t) const override { return "here"; }
  };
  testing::expect_user_error([] { inspect_source(FailingSource(), options_for_all_samples()); },
                             {"the disk is gone"});
}

TEST(Inspect, SelectsUsableSamplesSpreadOverTheSource) {
  const ListedSource source = mixed_samples(230);
  const DataInspection found = inspect_source(source, options_for_all_samples());
  ASSERT_EQ(found.spread.size(), 24u);
  EXPECT_EQ(std::set(found.spread.begin(), found.spread.end()).size(), 24u);
  for (const std::int64_t index : found.spread) EXPECT_EQ(source.bad.count(index), 0u) << index;
  EXPECT_GT(found.spread.back(), 200);
  ListedSource few;
  few.add_good();
  EXPECT_THAT(inspect_source(few, options_for_all_samples()).spread, ElementsAre(0));
}

TEST(OpenToInspect, TakesFoldersOfImages) {
  const testing::TempDir folder;
  write_file_atomically(folder / "a.png", encode_png(blocks(8, 8, 1)));
  write_file_atomically(folder / "a.txt", "a caption");
  const auto source = open_to_inspect({}, {folder.path().string()});
  ASSERT_EQ(source->size(), 1);
  EXPECT_THAT(source->read_captions(0), ElementsAre("a caption"));
}

TEST(ViewSamples, ShrinksImagesAndSkipsUnusableOnes) {
  ListedSource source;
  source.add(blocks(400, 200, 1)).captions = {"wide\nand low", "second"};
  source.add(blocks(30, 60, 2));
  source.add("not an image");
  source.add_good();
  source.bad[3] = BadKind::unreadable;
  const std::vector<std::int64_t> indices = {3, 2, 0, 1};
  const std::vector<SampleView> views = view_samples(source, indices, 100);
  ASSERT_EQ(views.size(), 2u);
  EXPECT_EQ(views[0].place, "list, sample 0");
  EXPECT_EQ(views[0].caption, "wide and low");
  EXPECT_EQ(image_size_of(bytes_of(views[0].jpeg)), (ImageSize{50, 100}));
  EXPECT_EQ(image_size_of(bytes_of(views[1].jpeg)), (ImageSize{60, 30}));  // not enlarged
}

TEST(Inspect, NamesWhatStandsInPlaceOfImages) {
  ListedSource source;
  for (const char* text :
       {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n",
        "<!DOCTYPE html><html>403</html>", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>"}) {
    source.add(std::string(text));
  }
  source.add_good();
  const DataInspection found = inspect_source(source, options_for_all_samples());
  EXPECT_EQ(found.of(BadKind::not_downloaded).count, 3);
  EXPECT_THAT(found.of(BadKind::not_downloaded).examples[0].detail,
              HasSubstr("the image is a Git LFS pointer"));
}

TEST(Inspect, CountsCaptionsThatLookPercentEncoded) {
  ListedSource source;
  source.add_good().captions = {"a+dog%2C+asleep"};
  source.add_good().captions = {"a dog + a cat"};
  source.add_good().captions = {"http://a.org/a+dog"};
  const DataInspection found = inspect_source(source, options_for_all_samples());
  EXPECT_EQ(found.of(Suspicion::percent_encoded).count, 1);
  EXPECT_EQ(found.of(Suspicion::percent_encoded).examples[0].detail, "'a+dog%2C+asleep'");
}

}  // namespace
}  // namespace cloob
