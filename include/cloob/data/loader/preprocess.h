// How one sample becomes tensors: decoding, augmentation and tokenization.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "cloob/base/random.h"
#include "cloob/data/data_config.h"
#include "cloob/image/image_config.h"
#include "cloob/text/tokenizer.h"

namespace cloob {

/// Both functions are pure and thread-safe. Without either, samples are not read: batches say only which they are.
struct Preprocess {
  std::int64_t image_size = 0;
  /// Turns an encoded image into 3 x image_size x image_size floats (CHW). Throws BadSample.
  std::function<void(std::span<const std::byte> encoded, RandomStream& stream, std::span<float> chw)> image;

  /// Turns a caption into at most `context_length` tokens; empty in an image-only pass.
  std::function<EncodedText(std::string_view caption)> text;
  std::int64_t context_length = 0;
  std::int64_t pad_id = 0;

  bool reads_samples() const { return image != nullptr || text != nullptr; }
};

/// Decoding and the image transform of training or evaluation, without text.
Preprocess make_image_preprocess(const ImageConfig& config, Purpose purpose, std::int64_t image_size,
                                 std::int64_t max_image_pixels);

/// The same with tokenized captions.
Preprocess with_text(Preprocess images, std::shared_ptr<const Tokenizer> tokenizer,
                     std::int64_t context_length);

}  // namespace cloob
