#include "cloob/data/preprocess.h"

#include <fmt/core.h>

#include <utility>

#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/image/decode.h"
#include "cloob/image/transform.h"

namespace cloob {
namespace {

constexpr std::size_t kMostKeptBytes = std::size_t{64} << 20;  // in each thread, of the last picture

BadKind bad_kind(DecodeErrorKind kind) {
  switch (kind) {
    case DecodeErrorKind::not_an_image:
    case DecodeErrorKind::unsupported_format:
      return BadKind::not_an_image;
    case DecodeErrorKind::truncated:
    case DecodeErrorKind::corrupt:
      return BadKind::damaged_image;
    case DecodeErrorKind::too_large:
      return BadKind::too_large;
  }
  return BadKind::damaged_image;
}

void check_pixels(std::span<const std::byte> encoded, std::int64_t max_image_pixels) {
  const ImageSize size = image_size_of(encoded);
  if (std::int64_t{size.height} * size.width > max_image_pixels) {
    throw BadSample(BadKind::too_large, fmt::format("{} x {} pixels, data.max_image_pixels is {}", size.width,
                                                    size.height, with_thousands(max_image_pixels)));
  }
}

std::unique_ptr<const ImageTransform> make_transform(const ImageConfig& config, Purpose purpose,
                                                     std::int64_t image_size) {
  if (purpose == Purpose::training) return std::make_unique<TrainTransform>(config, image_size);
  return std::make_unique<EvalTransform>(config, image_size);
}

}  // namespace

Preprocess make_image_preprocess(const ImageConfig& config, Purpose purpose, std::int64_t image_size,
                                 std::int64_t max_image_pixels) {
  const std::shared_ptr<const ImageTransform> transform = make_transform(config, purpose, image_size);
  const auto decode = config.resize_before_rgb ? decode_image_as_stored : decode_image;
  Preprocess preprocess;
  preprocess.image_size = image_size;
  preprocess.image = [=](std::span<const std::byte> encoded, RandomStream& stream, std::span<float> chw) {
    try {
      if (max_image_pixels < kMaxImagePixels) check_pixels(encoded, max_image_pixels);
      thread_local PixelMemory memory;
      ImageU8 image = decode(encoded, std::move(memory));
      (*transform)(image, stream, chw);
      memory = std::move(image.pixels);
      if (memory.capacity() > kMostKeptBytes) memory = {};
    } catch (const DecodeError& error) {
      throw BadSample(bad_kind(error.kind()), error.what());
    }
  };
  return preprocess;
}

Preprocess with_text(Preprocess images, std::shared_ptr<const Tokenizer> tokenizer,
                     std::int64_t context_length) {
  images.context_length = context_length;
  images.pad_id = tokenizer->pad_id();
  images.text = [tokenizer = std::move(tokenizer), context_length](std::string_view caption) {
    return tokenizer->encode(caption, context_length);
  };
  return images;
}

}  // namespace cloob
