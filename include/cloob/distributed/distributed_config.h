// Section `distributed`: several processes that train together.
#pragma once

#include <cstdint>
#include <tuple>

#include "cloob/config/field.h"

namespace cloob {

struct DistributedConfig {
  std::int64_t start_timeout_seconds = 300;
  std::int64_t save_grace_seconds = 60;
  bool sync_batch_norm = false;
  std::int64_t bucket_mib = 25;
  bool bf16_gradients = false;
  bool shard_optimizer = false;

  static constexpr auto fields() {
    return std::tuple(
        field("start_timeout_seconds", &DistributedConfig::start_timeout_seconds,
              "Until all ranks have to be there, in seconds; the missing ones are named after that.",
              {1, 86'400}),
        field(
            "save_grace_seconds", &DistributedConfig::save_grace_seconds,
            "After a signal to stop, further ones are ignored for this many seconds, so that they do not interrupt the "
            "save: Slurm sends two, and Ctrl-C reaches all processes. A second Ctrl-C ends a run at once.",
            {0, 86'400}),
        field(
            "sync_batch_norm", &DistributedConfig::sync_batch_norm,
            "Batch norms of a ResNet in training take mean and variance over the images of all ranks, as one process would, "
            "instead of over those of a rank. Costs three small exchanges a layer."),
        field(
            "bucket_mib", &DistributedConfig::bucket_mib,
            "Gradients are summed over the ranks in buckets of this many MiB, each as soon as the backward pass has "
            "computed it.",
            {1, 65'536}),
        field(
            "bf16_gradients", &DistributedConfig::bf16_gradients,
            "Whether gradients are rounded to bf16 to be summed over the ranks: half of the bytes, but gradients that depend "
            "on the number of ranks. Those of bf16 weights (pure_bf16) are always summed in fp32."),
        field(
            "shard_optimizer", &DistributedConfig::shard_optimizer,
            "Whether each rank keeps and updates only its part of the optimizer's state and fp32 master copies (ZeRO stage 1): "
            "with W ranks 1/W of their memory, and one more exchange of the weights a step. The weights are the same."));
  }
};
static_assert(lists_every_member<DistributedConfig>);

}  // namespace cloob
