// One checkpoint: a folder with everything that a run needs to go on, or that a model needs to be used.
//
//   weights.safetensors    the model under open_clip's names
//   training.safetensors   optimizer, objective, loss scaler, random numbers; absent in imported checkpoints
//   config.yaml            the resolved settings
//   tokenizer.model        the sentencepiece model, where the run has one
//   state.json             format version, position of the run, metrics, size and checksum of every file
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "cloob/base/named_tensors.h"
#include "cloob/base/tally.h"

namespace cloob {

/// Name of the tokenizer's file in a checkpoint.
inline constexpr const char* kTokenizerFile = "tokenizer.model";

/// Where a run stands.
///
/// Everything is counted from the very beginning, over all restarts.
struct TrainingState {
  std::int64_t step = 0;          ///< optimizer steps taken
  std::int64_t samples_seen = 0;  ///< usable pairs
  std::int64_t bad_samples = 0;   ///< unusable ones
  /// The same by kind ("damaged_image"), as far as the programs that wrote the run's checkpoints counted so.
  std::map<std::string, Tally> bad_samples_by_kind;
  std::int64_t data_position = 0;    ///< where the next batch begins: epoch * data_size + place (see Sampler)
  std::int64_t data_size = 0;        ///< samples of the training data
  std::int64_t evaluated_step = -1;  ///< the last step after which the model was evaluated
  double time_s = 0;                 ///< seconds of training and evaluation
  /// Measured on exactly these weights; what is not finite comes back as NaN.
  std::map<std::string, double> metrics;
};

struct Checkpoint {
  NamedTensors weights;
  std::map<std::string, std::string> weights_metadata;
  NamedTensors training;  ///< by dotted names, the owner first: "optimizer.<parameter>.exp_avg"; may be empty
  TrainingState state;
  std::string config_yaml;
  std::string tokenizer_model;  ///< a sentencepiece model; empty with CLIP's tokenizer
};

enum class CheckpointPart {
  weights,                ///< `training` stays empty
  weights_and_objective,  ///< `training` holds only what begins with "objective.", if anything
  everything
};

/// Reads a checkpoint folder and compares sizes and checksums, except that of the file of which only the
/// objective's tensors are read. A link is followed once, so that all files are of one checkpoint.
///
/// Throws a UserError of one line: which file is damaged or missing and how, and which whole checkpoint lies
/// beside this one; or that a newer program wrote it.
Checkpoint load_checkpoint(const std::filesystem::path& folder, CheckpointPart part);

/// Reads the position alone, without the tensors.
TrainingState load_training_state(const std::filesystem::path& folder);

/// Throws UserError where something is at `folder` already: for `write_checkpoint`, and before the work for
/// it.
void require_new_checkpoint(const std::filesystem::path& folder);

/// Writes a new folder; a crash or a full disk leaves nothing at `folder`. Throws UserError, also where
/// something is there already.
void write_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint);

/// What a path of the user stands for.
struct CheckpointLocation {
  enum class Kind { checkpoint, weights_file };
  Kind kind;
  std::filesystem::path path;
};

/// Finds what the user means: a checkpoint folder; a run folder, or its folder `checkpoints`, for the newest
/// checkpoint;
/// `<run>/best` or `<run>/latest`; or a weights file of any program. Throws UserError that says what was
/// found instead.
CheckpointLocation resolve_checkpoint(const std::filesystem::path& path);

}  // namespace cloob
