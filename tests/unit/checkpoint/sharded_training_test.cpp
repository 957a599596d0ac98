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

}  // namespace
}  // namespace cloob
