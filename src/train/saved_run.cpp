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
constexpr const char* kOfRanks = "_of_ranks";
constexpr const char* kRolledBackAt = "run.rolled_back_at";

[[noreturn]] void throw_not_resumable(const std::string& reason) {
  throw_user_error(
      "the checkpoint {}: a run cannot be resumed from it, but can be started from it "
      "(train.initial_weights)",
      reason);
}

void restore_random_state(c10::Device device, const NamedTensors& saved, const std::string& name,
                          const Collectives& collectives) {
  const auto of_ranks = saved.find(name + kOfRanks), of_rank_0 = saved.find(name);
  const bool has_own = of_ranks != saved.end() && of_ranks->second.dim() == 2 &&
                       of_ranks->second.size(0) == collectives.world_size();
  if (has_own) {
    set_random_state(device, of_ranks->second[collectives.rank()].clone());
  } else if (collectives.rank() == 0 && of_rank_0 != saved.end()) {
    set_random_state(device, of_rank_0->second);
  }
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

NamedTensors random_numbers(c10::Device device, const Collectives& collectives) {
  NamedTensors states;
  const auto add = [&](const std::string& name, const at::Tensor& own) {
    const at::Tensor of_ranks = collectives.gather_rows(own.unsqueeze(0)).rows_ND;
    states.emplace(name, of_ranks[0].clone());
    if (collectives.world_size() > 1) states.emplace(name + kOfRanks, of_ranks);
  };
  add(kRandomOfCpu, random_state(at::kCPU));
  if (!device.is_cpu()) add(kRandomOfDevice, random_state(device));
  return states;
}

void restore_random_numbers(const Checkpoint& checkpoint, c10::Device device,
                            const Collectives& collectives) {
  const NamedTensors& training = checkpoint.training;
  for (const char* name : {kRandomOfCpu, "run.loss_sum", "run.loss_count"}) {
    if (!training.contains(name)) throw_not_resumable(fmt::format("has no training state '{}'", name));
  }
  restore_random_state(at::kCPU, training, kRandomOfCpu, collectives);
  // A run may continue on a different kind of device, for which this state is meaningless.
  if (!device.is_cpu()) restore_random_state(device, training, kRandomOfDevice, collectives);
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
  if (same_ranks && loader.order().are_episodes()) {
    // Places are counted through the data, whatever the size of an episode is.
    log_warning(
        "data",
        "episodes have {} samples, but had {} when the checkpoint was written: continuing with the first sample of "
        "an episode, after {} samples",
        with_thousands(size_now), with_thousands(saved.data_size),
        with_thousands(saved.data_position / size_now * size_now));
    return loader.seek(saved.data_position / size_now * size_now);
  }
  const RankShares before = loader.order().shares_of(saved.data_ranks);
  if (same_ranks || before.num_places() != saved.data_size) {
    log_warning(
        "data",
        "the training data has {} {}, but had {} when the checkpoint was written: restarting epoch {}",
        with_thousands(before.ranks() == 1 ? size_now : before.num_places()),
        before.ranks() == 1 ? "samples" : "places in an epoch", with_thousands(saved.data_size), epoch);
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
