#include "cloob/data/loader/preprocess.h"

#include <functional>
#include <memory>
#include <utility>

#include "cloob/data/bad_samples.h"
#include "cloob/data/image_files.h"
#include "cloob/image/decode.h"
#include "cloob/image/transform.h"

namespace cloob {
namespace {

using Decode = ImageU8 (*)(std::span<const std::byte>, PixelMemory);

// Reuses the memory of the last image of this thread.
template <class Use>
void with_reused_memory(const Use& use) {
  thread_local PixelMemory memory;
  memory = memory_for_next(use(std::move(memory)));
}

/// Turns an encoded image into floats; throws DecodeError.
using ImageFunction =
    std::function<void(std::span<const std::byte> encoded, RandomStream& stream, std::span<float> chw)>;

ImageFunction decode_fully(std::shared_ptr<const ImageTransform> transform, Decode decode) {
  return [=](std::span<const std::byte> encoded, RandomStream& stream, std::span<float> chw) {
    with_reused_memory([&](PixelMemory memory) {
      ImageU8 image = decode(encoded, std::move(memory));
      (*transform)(image, stream, chw);
      return image;
    });
  };
}

ImageFunction decode_at_crop_scale(std::shared_ptr<const TrainTransform> transform) {
  return [=](std::span<const std::byte> encoded, RandomStream& stream, std::span<float> chw) {
    const ImageSize full = image_size_of(encoded);
    const ResizePlan plan = transform->draw_plan(full, stream);
    with_reused_memory([&](PixelMemory memory) {
      const int reduction = largest_reduction(plan);
      ImageU8 image = decode_image_reduced(encoded, reduction, std::move(memory));
      const bool is_reduced = image.size() != full;  // only JPEGs are
      transform->apply(image, is_reduced ? on_reduced_image(plan, reduction) : plan, stream, chw);
      return image;
    });
  };
}

ImageFunction make_image_function(const ImageConfig& config, Purpose purpose, std::int64_t image_size) {
  const Decode decode = config.resize_before_rgb ? decode_image_as_stored : decode_image;
  if (purpose == Purpose::evaluation || config.train_crop == TrainCrop::evaluation) {
    return decode_fully(std::make_shared<EvalTransform>(config, image_size), decode);
  }
  const auto transform = std::make_shared<const TrainTransform>(config, image_size);
  if (config.decode == Decoding::scaled) return decode_at_crop_scale(transform);
  return decode_fully(transform, decode);
}

}  // namespace

Preprocess make_image_preprocess(const ImageConfig& config, Purpose purpose, std::int64_t image_size,
                                 std::int64_t max_image_pixels) {
  const ImageFunction make_image = make_image_function(config, purpose, image_size);
  Preprocess preprocess;
  preprocess.image_size = image_size;
  preprocess.image = [=](std::span<const std::byte> encoded, RandomStream& stream, std::span<float> chw) {
    try {
      if (max_image_pixels < kMaxImagePixels) checked_image_size(encoded, max_image_pixels);
      make_image(encoded, stream, chw);
    } catch (const DecodeError& error) {
      throw bad_image(error, encoded);
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
