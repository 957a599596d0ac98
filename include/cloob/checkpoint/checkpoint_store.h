// The checkpoints of a run: saved completely or not at all; the newest and the best are kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/base/tensor_parts.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/checkpoint/checkpoint_config.h"

namespace cloob {

struct FileDigest;
/// Of files of a checkpoint, by name.
using FileDigests = std::map<std::string, FileDigest>;

struct CheckpointEntry {
  std::int64_t step;
  std::filesystem::path path;
};

/// The checkpoints in a folder, oldest first; empty when the folder does not exist.
std::vector<CheckpointEntry> list_checkpoints(const std::filesystem::path& folder);

/// `best_mode`, or the usual one of the metric if it is not set.
BestMode best_mode(const CheckpointConfig& config);

/// The folder `checkpoints` of a run in training. Only one process at a time may own it; readers use the
/// functions of checkpoint.h. A crash at any moment leaves every checkpoint that existed before intact.
class CheckpointStore {
 public:
  /// Creates the folder and recovers from interrupted saves.
  CheckpointStore(std::filesystem::path folder, const CheckpointConfig& config);

  /// Writes the folder `step_<step>`, then prunes old checkpoints: the `keep_last` newest and the best by
  /// `best_metric` are kept, as is that of the step `also_keep`, and the link `best` points to the best one. A
  /// checkpoint of the same step is replaced.
  ///
  /// Throws UserError when it cannot be written (on a full disk with the required and the available space);
  /// then nothing of it is left, and all older checkpoints are unchanged.
  std::filesystem::path save(const Checkpoint& checkpoint,
                             std::optional<std::int64_t> also_keep = std::nullopt);
  /// The same with training state of which each rank has a part, and writes it. A collective operation: other ranks call
  /// write_part_of_checkpoint.
  std::filesystem::path save_sharded(const Checkpoint& checkpoint, const TensorParts& parts,
                                     const Collectives& collectives,
                                     std::optional<std::int64_t> also_keep = std::nullopt);

  /// For a run that continues from an older checkpoint: renames those of later steps to `superseded_...`. They
  /// are removed by the next `save`, so that a mistake loses nothing at once. Throws UserError.
  void supersede_after(std::int64_t step) const;

  /// The best existing checkpoint by `best_metric`, the oldest of equal ones; nullopt when none has that metric.
  std::optional<CheckpointEntry> best() const;

 private:
  // Adds the bytes of all parts to `bytes`, before it writes.
  using WriteParts = std::function<FileDigests(const std::filesystem::path& folder, std::uint64_t& bytes)>;
  std::filesystem::path save(const Checkpoint& checkpoint, const WriteParts& write_parts,
                             std::optional<std::int64_t> also_keep);
  void link_best() const;
  void prune(std::optional<std::int64_t> also_keep) const;
  void remove_superseded() const;

  std::filesystem::path folder_;
  CheckpointConfig config_;
};

}  // namespace cloob
