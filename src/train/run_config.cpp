#include "cloob/train/run_config.h"

#include <ATen/ceil_div.h>

#include <algorithm>
#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

// A recorded step neither looks at values nor sets the state of the random generator.
void require_recordable(const TrainConfig& config) {
  const auto refuse = [](const char* setting) {
    throw_user_error("train.cuda_graph cannot record a step with train.{}: unset one of them", setting);
  };
  if (config.gradient_cache_parts > 1) refuse("gradient_cache_parts above 1");
  if (config.gradient_checkpointing) refuse("gradient_checkpointing");
  if (config.cache_frozen_features) refuse("cache_frozen_features");
}

}  // namespace

void TrainConfig::validate() const {
  const int lengths = (epochs ? 1 : 0) + (steps ? 1 : 0) + (samples ? 1 : 0);
  if (epochs == 0.0) throw_user_error("train.epochs is 0: it has to be more");
  if (lengths > 1) {
    throw_user_error(
        "only one of train.epochs, train.steps and train.samples can be set: unset the others with null, as "
        "in "
        "--train.steps null");
  }
}

void RunConfig::validate() const {
  if (train.cuda_graph) require_recordable(train);
  if (model.text.context_length < 3) {
    throw_user_error(
        "model.text.context_length is {}, but a caption needs a start, an end and one token between them",
        model.text.context_length);
  }
  const bool image_is_cached = train.cache_frozen_features && optimizer.image.frozen;
  if (image_is_cached && image.train_crop != TrainCrop::evaluation) {
    throw_user_error(
        "train.cache_frozen_features keeps what a frozen image tower made of a picture, but image.train_crop "
        "{} cuts every picture anew: set image.train_crop to evaluation",
        enum_name(image.train_crop));
  }
}

Precision precision_of(const TrainConfig& config) {
  return config.precision.value_or(default_precision(config.device));
}

std::int64_t total_steps(const TrainConfig& config, const RunPosition& position) {
  if (config.steps) return *config.steps;
  if (config.samples) {
    const std::int64_t left = std::max<std::int64_t>(0, *config.samples - position.samples);
    return position.step + at::ceil_div(left, config.global_batch_size);
  }
  if (config.epochs) {
    const auto all = std::llround(*config.epochs * static_cast<double>(position.batches_per_epoch));
    const std::int64_t done = (position.epoch + 1) * position.batches_per_epoch - position.batches_left;
    return std::max<std::int64_t>(1, position.step + std::max<std::int64_t>(0, all - done));
  }
  throw_user_error(
      "the length of the run is not set: set one of train.epochs, train.steps and train.samples");
}

}  // namespace cloob
