#include "cloob/checkpoint/sharded_training.h"

#include <ATen/ATen.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors_digest.h"
#include "cloob/base/files.h"
#include "cloob/base/tensor_copies.h"
#include "cloob/checkpoint/checkpoint_store.h"
#include "cloob/checkpoint/inspect.h"
#include "sample_checkpoint.h"
#include "support/named_tensors.h"
#include "support/simulated_ranks.h"
#include "support/small_disk.h"
#include "support/support.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using testing::expect_same_bits;
using testing::expect_user_error;
using testing::TempDir;

NamedTensors large_state() {
  return {{"optimizer.a.exp_avg", at::arange(200, at::kFloat).view({8, 25})},
          {"optimizer.a.step", at::full({}, 7, at::kFloat)},
          {"optimizer.b.exp_avg", at::arange(3, at::kDouble)},
          {"optimizer.empty", at::zeros({0, 3})}};
}

fs::path save_on_ranks(const fs::path& folder, std::int64_t world_size, const Checkpoint& checkpoint) {
  fs::path saved;
  testing::run_ranks(world_size, [&](const Collectives& collectives) {
    TensorParts parts;
    for (const auto& [name, tensor] : large_state()) parts.emplace(name, part_of(tensor, collectives));
    if (collectives.rank() > 0) return write_part_of_checkpoint(parts, collectives);
    CheckpointStore store(folder, {});
    saved = store.save_sharded(checkpoint, parts, collectives);
  });
  return saved;
}

TEST(ShardedTraining, OfAnyNumberOfRanksIsReadAsOne) {
  for (const std::int64_t world_size : {1, 2, 3}) {
    const TempDir folder;
    Checkpoint checkpoint = testing::sample_checkpoint(3);
    const fs::path saved = save_on_ranks(folder.path(), world_size, checkpoint);
    EXPECT_TRUE(fs::exists(saved / fmt::format("training-00000-of-{:05}.safetensors", world_size)));
    checkpoint.training.merge(large_state());
    expect_same_bits(load_checkpoint(saved, CheckpointPart::everything).training, checkpoint.training);
    EXPECT_FALSE(
        load_checkpoint(saved, CheckpointPart::weights_and_task).training.contains("optimizer.a.step"));
  }
}

TEST(ShardedTraining, WithADamagedOrMissingPartIsRefused) {
  const TempDir folder;
  const fs::path saved = save_on_ranks(folder.path(), 2, testing::sample_checkpoint(3));
  const auto load = [&] { load_checkpoint(saved, CheckpointPart::everything); };
  const fs::path part = saved / "training-00001-of-00002.safetensors";
  const std::string content = read_file(part);
  std::string flipped = content;
  flipped.back() ^= 1;
  write_file_atomically(part, flipped);
  expect_user_error(load, {"training-00001-of-00002.safetensors' is damaged", "checksum"});
  fs::remove(part);
  expect_user_error(load, {"training-00001-of-00002.safetensors"});
}

TEST(ShardedTraining, IsAllowedInAFolderThatAllSee) {
  const TempDir folder;
  testing::run_ranks(2, [&](const Collectives& collectives) {
    require_shared_folder(collectives.rank() == 0 ? folder.path() : fs::path(), collectives);
  });
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

/// A rank that does not see the folder of rank 0, but one of another name.
class BlindRank final : public Collectives {
 public:
  explicit BlindRank(const Collectives& inner) : inner_(inner) {}
  std::int64_t rank() const override { return inner_.rank(); }
  std::int64_t world_size() const override { return inner_.world_size(); }
  GatheredRows gather_rows(const at::Tensor& rows) const override { return inner_.gather_rows(rows); }
  void sum_in_place(std::span<const at::Tensor> tensors) const override { inner_.sum_in_place(tensors); }
  double max(double number) const override { return inner_.max(number); }
  void broadcast(const NamedTensors& tensors) const override {
    inner_.broadcast(tensors);
    if (const auto text = tensors.find("text"); text != tensors.end()) text->second[-1] = '?';
  }

 private:
  const Collectives& inner_;
};

TEST(ShardedTraining, IsRefusedInAFolderThatARankDoesNotSee) {
  const TempDir folder;
  const auto check = [&] {
    testing::run_ranks(2, [&](const Collectives& collectives) {
      if (collectives.rank() == 0) return require_shared_folder(folder.path(), collectives);
      require_shared_folder({}, BlindRank(collectives));
    });
  };
  expect_user_error(check, {"checkpoint.sharded needs a run folder that all ranks share, but rank 1"});
  EXPECT_TRUE(fs::is_empty(folder.path())) << "nothing is left behind";
}

// Saves weights and parts of these sizes.
void save_bytes(const fs::path& folder, std::int64_t weights, std::int64_t part,
                const Collectives& collectives) {
  const TensorParts parts = {{"optimizer.a", {at::zeros({part}, at::kByte), {2 * part}}}};
  if (collectives.rank() > 0) return write_part_of_checkpoint(parts, collectives);
  Checkpoint checkpoint = testing::sample_checkpoint(3);
  checkpoint.weights["large"] = at::zeros({weights}, at::kByte);
  CheckpointStore(folder, {}).save_sharded(checkpoint, parts, collectives);
}

TEST(ShardedTraining, TellsWhatAllRanksNeedOnAFullDisk) {
  constexpr std::int64_t kKib = 1024;
  const TempDir folder;
  const testing::SmallDisk disk(folder / "disk", "1m");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a small file system";
  const fs::path checkpoints = folder / "disk" / "checkpoints";
  testing::run_ranks(2, [&](const Collectives& collectives) {
    const auto save = [&] { save_bytes(checkpoints, 800 * kKib, 400 * kKib, collectives); };
    if (collectives.rank() > 0) return save();
    expect_user_error(save, {"weights.safetensors", "No space left on device",
                             "a checkpoint needs 1.6 MiB and 1.0 MiB are free in"});
  });
  EXPECT_TRUE(fs::is_empty(checkpoints));
  testing::run_ranks(2, [&](const Collectives& collectives) {
    const bool is_first = collectives.rank() == 0;
    const auto save = [&] { save_bytes(checkpoints, kKib, (is_first ? 1 : 2048) * kKib, collectives); };
    if (is_first) {
      EXPECT_ANY_THROW(save());
    } else {
      expect_user_error(save, {"training-00001-of-00002.safetensors", "No space left on device",
                               "a checkpoint needs 2.0 MiB and 1.0 MiB are free in"});
    }
  });
  EXPECT_TRUE(fs::is_empty(checkpoints));
}

}  // namespace
}  // namespace cloob
