#include "train/saved_run.h"

#include <ATen/ops/scalar_tensor.h>
#include <fmt/core.h>

#include <limits>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/device/random_state.h"

namespace cloob {
namespace {

constexpr const char* kRandomOfCpu = "random.cpu";
constexpr const char* kRandomOfDevice = "random.device";
constexpr const char* kRolledBackAt = "run.rolled_back_at";

[[noreturn]] void throw_not_resumable(const std::string& reason) {
  throw_user_error(
      "the checkpoint {}: a run cannot be resumed from it, but can be started from it "
      "(train.initial_weights)",
      reason);
}

[[noreturn]] void throw_other_ranks(std::int64_t saved, std::int64_t now) {
  throw_user_error(
      "the streams in data.train were divided over {} when the checkpoint was written, and are divided over {} now, in "
      "another order: continue with {}, or set data.allow_reordering to true, with which some samples of the epoch are "
      "seen twice and others not",
      counted(saved, "rank"), now, counted(saved, "rank"));
}

}  // namespace

void require_same_tokenizer(const Checkpoint& checkpoint, const TextConfig& text,
                            const std::string& tokenizer_model) {
  if (checkpoint.tokenizer_model == tokenizer_model) return;
  throw_user_error(
      "the tokenizer model '{}' is not the one that the run was trained with, which its checkpoints contain "
      "as tokenizer.model",
      text.model_file);
}

void add_random_numbers(Checkpoint& checkpoint, c10::Device device) {
  checkpoint.training.emplace(kRandomOfCpu, random_state(at::kCPU));
  if (!device.is_cpu()) checkpoint.training.emplace(kRandomOfDevice, random_state(device));
}

void restore_random_numbers(const Checkpoint& checkpoint, c10::Device device) {
  const NamedTensors& training = checkpoint.training;
  for (const char* name : {kRandomOfCpu, "run.loss_sum", "run.loss_count"}) {
    if (!training.contains(name)) throw_not_resumable(fmt::format("has no training state '{}'", name));
  }
  set_random_state(at::kCPU, training.at(kRandomOfCpu));
  // A run may continue on a different kind of device, for which this state is meaningless.
  const auto on_device = training.find(kRandomOfDevice);
  if (!device.is_cpu() && on_device != training.end()) set_random_state(device, on_device->second);
}

void add_rollback(Checkpoint& checkpoint, std::int64_t rolled_back_at) {
  checkpoint.training.emplace(kRolledBackAt, at::scalar_tensor(rolled_back_at, at::kLong));
}

std::int64_t saved_rollback(const Checkpoint& checkpoint) {
  const auto found = checkpoint.training.find(kRolledBackAt);  // older checkpoints have none
  return found == checkpoint.training.end() ? -1 : found->second.item<std::int64_t>();
}

void seek(Loader& loader, const TrainingState& saved, bool allow_reordering) {
  if (saved.data_size < 1) throw_not_resumable("has no position in the data");
  const RankShares& shares = loader.order().shares();
  const bool same_ranks = shares.ranks() == saved.data_ranks;
  if (!same_ranks && !allow_reordering) throw_other_ranks(saved.data_ranks, shares.ranks());
  const std::int64_t size_now = loader.places_per_epoch();
  if (same_ranks && size_now == saved.data_size) return loader.seek(saved.data_position);
  const std::int64_t epoch = saved.data_position / saved.data_size;
  constexpr std::int64_t kMaxPosition = std::numeric_limits<std::int64_t>::max() / 4;
  if (epoch > kMaxPosition / size_now) throw_not_resumable("is at a place in the data that is out of range");
  const RankShares before = loader.order().shares_of(saved.data_ranks);
  if (same_ranks || before.num_places() != saved.data_size) {
    log_warning(
        "data",
        "the training data has {} {}, but had {} when the checkpoint was written: restarting epoch {}",
        with_thousands(before.num_places()), before.ranks() == 1 ? "samples" : "places in an epoch",
        with_thousands(saved.data_size), epoch);
    return loader.seek(epoch * size_now);
  }
  const std::int64_t samples = before.samples_before(saved.data_position % saved.data_size);
  log_warning(
      "data",
      "the streams are divided over {} and no longer over {}: continuing after {} of epoch {} in another order, so "
      "that some are seen twice in this epoch and others not",
      counted(shares.ranks(), "rank"), saved.data_ranks, counted(samples, "sample"), epoch);
  loader.seek(epoch * size_now + shares.place_after(samples));
}

}  // namespace cloob
