// Sources and a tokenizer that need no files.
#pragma once

#include <atomic>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cloob/data/bad_samples.h"
#include "cloob/data/labeled_source.h"
#include "cloob/image/encode.h"
#include "cloob/text/tokenizer.h"

namespace cloob::testing {

/// Images of a single color, image i with `captions(i)` captions of letters; counts how many images are read.
class ColorSource final : public LabeledSource {
 public:
  explicit ColorSource(
      std::int64_t size, std::set<std::int64_t> broken = {},
      std::int64_t (*num_captions)(std::int64_t) = [](std::int64_t) { return std::int64_t{2}; })
      : size_(size), broken_(std::move(broken)), num_captions_(num_captions) {}

  std::int64_t size() const override { return size_; }
  RawSample read(std::int64_t index) const override {
    ++num_reads;
    if (broken_.contains(index)) throw BadSample(BadKind::not_an_image, "it is broken");
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
    std::vector<std::string> captions;
    for (std::int64_t length = 1; length <= num_captions_(index); ++length)
      captions.emplace_back(static_cast<std::size_t>(length), static_cast<char>('a' + index % 26));
    return captions;
  }
  std::string describe(std::int64_t index) const override { return "image " + std::to_string(index); }
  std::int64_t label(std::int64_t index) const override { return index % 5; }
  const std::vector<std::string>& class_folders() const override { return folders_; }
  std::optional<std::filesystem::path> names_file() const override { return std::nullopt; }
  std::optional<std::filesystem::path> templates_file() const override { return std::nullopt; }

  mutable std::atomic<int> num_reads = 0;

 private:
  std::int64_t size_;
  std::set<std::int64_t> broken_;
  std::int64_t (*num_captions_)(std::int64_t);
  std::vector<std::string> folders_;
};

/// One token per letter.
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

}  // namespace cloob::testing
