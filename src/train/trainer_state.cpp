// What a trainer saves and how it goes on: everything that the next step depends on.

#include <ATen/ATen.h>
#include <fmt/core.h>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "cloob/model/weights.h"
#include "cloob/nn/random_state.h"
#include "cloob/train/import_model.h"
#include "cloob/train/stop_signal.h"
#include "cloob/train/trainer.h"
#include "train/data_report.h"

namespace cloob {
namespace {

[[noreturn]] void throw_not_resumable(const std::string& reason) {
  throw_user_error(
      "the checkpoint {}: it can start a run (train.initial_weights), but a run cannot be resumed from it",
      reason);
}

const at::Tensor& tensor_named(const NamedTensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw_not_resumable(fmt::format("holds no training state '{}'", name));
  return found->second;
}

// A position counts samples from the beginning of the run (see Sampler); it means nothing in data of another
// size.
void seek(Loader& loader, std::int64_t position, std::int64_t size) {
  const std::int64_t size_now = loader.samples_per_epoch();
  if (size < 1) throw_not_resumable("does not say where in the data it was written");
  if (size_now == size) return loader.seek(position);
  const std::int64_t epoch = position / size;
  log_warning(
      "data",
      "the training data has {} samples, but had {} when the checkpoint was written: epoch {} starts again",
      with_thousands(size_now), with_thousands(size), epoch);
  loader.seek(epoch * size_now);
}

}  // namespace

bool Trainer::save_is_due() const {
  const CheckpointConfig& checkpoint = config_.checkpoint;
  if (StopSignal::received() != 0) return true;
  // While steps are skipped the weights stay as they are; such checkpoints would push out those to go back
  // to.
  const auto& guard = train_step_.spike_guard();
  if (guard && guard->skipped_in_a_row() > 0 && state_.step != total_steps_) return false;
  if (!checkpoint.best_metric.empty() && state_.evaluated_step == state_.step)
    return true;  // it may be the best
  if (state_.step == total_steps_) return checkpoint.at_end;
  return at_end_of_epoch(checkpoint.every_epochs) ||
         (checkpoint.every_steps > 0 && state_.step % checkpoint.every_steps == 0) ||
         (checkpoint.every_minutes > 0 && since_save_.seconds() >= 60 * checkpoint.every_minutes);
}

void Trainer::save() {
  Checkpoint checkpoint;
  checkpoint.weights = train_step_.weights();
  checkpoint.weights_metadata = weights_metadata(config_);
  checkpoint.config_yaml = print_config(config_);
  checkpoint.tokenizer_model = tokenizer_model_;
  checkpoint.state = state_;
  checkpoint.state.bad_samples_by_kind = tallies_by_id(bad_samples());
  checkpoint.state.data_position = loader_.position();
  checkpoint.state.data_size = loader_.samples_per_epoch();
  if (state_.evaluated_step != state_.step) checkpoint.state.metrics.clear();  // they are of other weights
  checkpoint.training = train_step_.state();
  checkpoint.training.emplace("random.cpu", random_state(at::kCPU));
  if (!device_.is_cpu()) checkpoint.training.emplace("random.device", random_state(device_));
  checkpoint.training.emplace("run.loss_sum", loss_sum_);
  checkpoint.training.emplace("run.loss_count", at::scalar_tensor(loss_count_, at::kLong));
  checkpoint.training.emplace("run.rolled_back_at", at::scalar_tensor(rolled_back_at_, at::kLong));
  const auto folder = checkpoints_.save(checkpoint);
  log_info("checkpoint", "step {} saved in {}", with_thousands(state_.step), folder.string());
  write_data_report();
  since_save_.restart();
  saved_step_ = state_.step;
}

TrainingState Trainer::restore(const Checkpoint& checkpoint) {
  const NamedTensors& training = checkpoint.training;
  if (checkpoint.tokenizer_model != tokenizer_model_) {
    throw_user_error(
        "the tokenizer model '{}' is not the one that the run was trained with: its checkpoints hold that as "
        "tokenizer.model",
        config_.text.model_file);
  }
  train_step_.load_state(checkpoint.weights, training);
  set_random_state(at::kCPU, tensor_named(training, "random.cpu"));
  // A run may go on on another device, where its numbers would mean nothing.
  const auto on_device = training.find("random.device");
  if (!device_.is_cpu() && on_device != training.end()) set_random_state(device_, on_device->second);
  seek(loader_, checkpoint.state.data_position, checkpoint.state.data_size);
  loss_sum_.copy_(tensor_named(training, "run.loss_sum"));
  loss_count_ = tensor_named(training, "run.loss_count").item<std::int64_t>();
  const auto rolled_back_at = training.find("run.rolled_back_at");  // older checkpoints have none
  if (rolled_back_at != training.end()) rolled_back_at_ = rolled_back_at->second.item<std::int64_t>();
  return checkpoint.state;
}

}  // namespace cloob
