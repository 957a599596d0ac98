#include "cloob/train/run_config.h"

#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {

void TrainConfig::validate() const {
  const int lengths = (epochs ? 1 : 0) + (steps ? 1 : 0) + (samples ? 1 : 0);
  if (lengths > 1) throw_user_error("only one of train.epochs, train.steps and train.samples can be set");
}

void RunConfig::validate() const {
  if (model.text.context_length < 3) {
    throw_user_error(
        "model.text.context_length is {}, but a caption needs a start, an end and one token between them",
        model.text.context_length);
  }
}

std::int64_t steps_per_epoch(const TrainConfig& config, std::int64_t num_samples) {
  const std::int64_t steps = num_samples / config.global_batch_size;
  if (steps == 0) {
    throw_user_error(
        "the training data has {} samples, fewer than one batch of train.global_batch_size {}: "
        "use a smaller batch or more data",
        with_thousands(num_samples), with_thousands(config.global_batch_size));
  }
  return steps;
}

std::int64_t total_steps(const TrainConfig& config, std::int64_t num_samples) {
  const std::int64_t per_epoch = steps_per_epoch(config, num_samples);
  if (config.steps) return *config.steps;
  if (config.samples) return (*config.samples + config.global_batch_size - 1) / config.global_batch_size;
  if (config.epochs) {
    return std::max<std::int64_t>(1, std::llround(*config.epochs * static_cast<double>(per_epoch)));
  }
  throw_user_error(
      "the length of the run is not set: set one of train.epochs, train.steps and train.samples");
}

}  // namespace cloob
