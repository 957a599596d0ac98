// A checkpoint: a folder with everything that is needed to resume a run or to use its model.
//
//   weights.safetensors    the model under open_clip's names
//   training.safetensors   optimizer, objective, loss scaler, RNG states; absent in imported checkpoints
//   training-R-of-W.safetensors   with checkpoint.sharded: rank R's part of the large ones (sharded_training.h)
//   config.yaml            the resolved settings
//   tokenizer.model        the sentencepiece model, if the run has one
//   state.json             format version, position of the run, metrics, size and checksum of every file
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "cloob/base/named_tensors.h"
#include "cloob/base/tally.h"

namespace cloob {

/// Name of the tokenizer's file in a checkpoint.
inline constexpr const char* kTokenizerFile = "tokenizer.model";

/// Progress of a run.
///
/// All counts start at the beginning of the run and include all restarts.
struct TrainingState {
  std::int64_t step = 0;          ///< optimizer steps taken
  std::int64_t samples_seen = 0;  ///< usable pairs
  std::int64_t bad_samples = 0;   ///< unusable ones
  /// The same by kind ("damaged_image"), as far as the programs that wrote the run's checkpoints recorded it.
  std::map<std::string, Tally> bad_samples_by_kind;
  std::int64_t data_position = 0;  ///< start of the next batch: epoch * data_size + place (see Sampler)
  std::int64_t data_size =
      0;  ///< samples of the training data; places of an epoch if it is divided over ranks
  std::int64_t data_ranks =
      1;  ///< that the order of the data is divided over; 1 if it does not depend on them
  std::int64_t evaluated_step = -1;  ///< last step after which the model was evaluated
  double time_s = 0;                 ///< seconds of training and evaluation
  /// Measured on exactly these weights; values that are not finite are loaded as NaN.
  std::map<std::string, double> metrics;
};

/// Owners of the tensors in `Checkpoint::training` that belong to the trainer; all others belong to the task.
inline constexpr std::array<std::string_view, 7> kTrainerOwners = {
    "optimizer", "scaler", "spike_guard", "average", "live", "random", "run"};

struct Checkpoint {
  NamedTensors weights;
  std::map<std::string, std::string> weights_metadata;
  /// By dotted names that begin with the owner: "optimizer.<parameter>.exp_avg"; may be empty.
  NamedTensors training;
  TrainingState state;
  std::string config_yaml;
  std::string tokenizer_model;  ///< a sentencepiece model; empty with CLIP's tokenizer
};

enum class CheckpointPart {
  weights,           ///< `training` stays empty
  weights_and_task,  ///< `training` has only the state of the task, if any
  everything
};

/// Reads a checkpoint folder and verifies the sizes and checksums of all files that it uses. A symbolic link is resolved
/// once, so that all files are from the same checkpoint.
///
/// Throws a UserError of one line: which file is damaged or missing and how, and which intact checkpoint is
/// next to it; or that a newer program wrote it.
Checkpoint load_checkpoint(const std::filesystem::path& folder, CheckpointPart part);

/// Reads only the training state, without tensors.
TrainingState load_training_state(const std::filesystem::path& folder);

/// Throws UserError when `folder` already exists. `write_checkpoint` checks this; call it also before long
/// work whose result will be written.
void require_new_checkpoint(const std::filesystem::path& folder);

/// Writes a new folder; a crash or a full disk leaves nothing at `folder`. Throws UserError, also when it
/// already exists.
void write_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint);

/// What a path given by the user refers to.
struct CheckpointLocation {
  enum class Kind { checkpoint, weights_file };
  Kind kind;
  std::filesystem::path path;
};

/// Resolves a path given by the user: a checkpoint folder; a run folder, or its folder `checkpoints`, for the
/// newest checkpoint; `<run>/best` or `<run>/latest`; or a weights file of any program. Throws UserError that
/// says what was found instead.
CheckpointLocation resolve_checkpoint(const std::filesystem::path& path);

}  // namespace cloob
