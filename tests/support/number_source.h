// A source whose samples are numbers, and helpers for loader tests.
#pragma once

#include <ATen/ops/equal.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "cloob/data/bad_samples.h"
#include "cloob/data/loader/loader.h"

namespace cloob::testing {

/// The image of sample i is its index; every sample has two captions. Indices in `bad` are unusable.
class NumberSource final : public Source {
 public:
  explicit NumberSource(std::int64_t size) : size_(size) {}

  std::int64_t size() const override { return size_; }
  RawSample read(std::int64_t index) const override {
    if (on_read) on_read(index);
    if (const auto found = bad.find(index); found != bad.end()) {
      throw BadSample(found->second, "it is broken");
    }
    RawSample sample;
    sample.key = std::to_string(index);
    sample.image_bytes.resize(sizeof(index));
    std::memcpy(sample.image_bytes.data(), &index, sizeof(index));
    sample.captions = {fmt::format("first of {}", index), fmt::format("second of {}", index)};
    return sample;
  }
  std::string describe(std::int64_t index) const override { return fmt::format("number {}", index); }

  std::map<std::int64_t, BadKind> bad;
  std::function<void(std::int64_t)> on_read;

 private:
  std::int64_t size_;
};

inline constexpr std::int64_t kPad = 9;

/// Pixels are the sample's index plus a random number; tokens are the bytes of the caption.
inline Preprocess number_preprocess() {
  Preprocess preprocess;
  preprocess.image_size = 2;
  preprocess.image = [](std::span<const std::byte> encoded, RandomStream& stream, std::span<float> chw) {
    std::int64_t index = 0;
    std::memcpy(&index, encoded.data(), sizeof(index));
    for (float& value : chw) value = static_cast<float>(static_cast<double>(index) + stream.uniform());
  };
  preprocess.context_length = 24;
  preprocess.pad_id = kPad;
  preprocess.text = [](std::string_view caption) {
    EncodedText text;
    for (const char c : caption) text.ids.push_back(c);
    text.end_position = static_cast<std::int64_t>(caption.size()) - 1;
    return text;
  };
  return preprocess;
}

inline LoaderOptions training_options(std::int64_t batch_size) {
  LoaderOptions options;
  options.purpose = Purpose::training;
  options.batch_size = batch_size;
  options.seed = 5;
  options.caption_choice = CaptionChoice::random;
  options.max_bad_share = 1;
  options.threads = 2;
  options.prefetch_batches = 2;
  return options;
}

inline void expect_same_batch(const Batch& actual, const Batch& expected) {
  EXPECT_EQ(actual.indices, expected.indices);
  EXPECT_EQ(actual.captions, expected.captions);
  EXPECT_EQ(actual.num_bad, expected.num_bad);
  EXPECT_TRUE(at::equal(actual.images_BCHW, expected.images_BCHW));
  EXPECT_TRUE(at::equal(actual.tokens_BL, expected.tokens_BL));
  EXPECT_TRUE(at::equal(actual.end_positions_B, expected.end_positions_B));
}

inline std::vector<Batch> take_batches(Loader& loader, std::size_t count) {
  std::vector<Batch> batches;
  while (batches.size() < count) batches.push_back(loader.next());
  return batches;
}

}  // namespace cloob::testing
