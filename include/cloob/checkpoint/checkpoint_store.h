// The checkpoints of a run: saved whole or not at all, the newest and the best kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/checkpoint_config.h"

namespace cloob {

struct CheckpointEntry {
  std::int64_t step;
  std::filesystem::path path;
};

/// The checkpoints in a folder, oldest first; empty where the folder does not exist.
std::vector<CheckpointEntry> list_checkpoints(const std::filesystem::path& folder);

/// The folder `checkpoints` of a run that is being trained. One process at a time may own it; readers use the
/// functions of checkpoint.h. A crash at any moment leaves every checkpoint that was listed before whole.
class CheckpointStore {
 public:
  /// Creates the folder, and recovers from crashed saves.
  CheckpointStore(std::filesystem::path folder, const CheckpointConfig& config);

  /// Writes the folder `step_<step>`, then lets go of old ones: the `keep_last` newest and the best by
  /// `best_metric` stay, and the link `best` names that one. A checkpoint of the same step is replaced.
  ///
  /// Throws UserError when it cannot be written, on a full disk with what it needs and what is free; then
  /// nothing of it is left, and all older checkpoints stand.
  std::filesystem::path save(const Checkpoint& checkpoint);

  /// Removes the checkpoints of later steps, which a run that goes on from an older one leaves behind.
  void remove_after(std::int64_t step) const;

 private:
  /// The best by `best_metric` of those that are there; nothing where none has it.
  std::optional<CheckpointEntry> best() const;
  void link_best() const;
  void let_go_of_old() const;

  std::filesystem::path folder_;
  CheckpointConfig config_;
};

}  // namespace cloob
