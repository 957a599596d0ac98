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
            "instead of over those of a rank. Costs two exchanges a layer in each direction."));
  }
};
static_assert(lists_every_member<DistributedConfig>);

}  // namespace cloob
