// The built-in data set `shapes` as files: shards for training, folders for zero-shot classification.
#pragma once

#include <cstdint>
#include <filesystem>

#include "cloob/prepare/shapes.h"

namespace cloob {

/// Of rare entities; images are counted for each name.
struct RareShapesSize {
  std::int64_t num_names = 0;
  std::int64_t num_memory = 16;
  std::int64_t num_train = 64;
  std::int64_t num_test = 16;
};

struct ShapesDatasetSize {
  std::int64_t num_train = 0;
  std::int64_t num_validation = 0;
  std::int64_t num_held_out = 0;
  std::int64_t num_probe = 0;  ///< in each of the two halves of a probe's images
  std::int64_t samples_per_shard = 1000;
  RareShapesSize rare = {};
};

/// Writes, below `folder`:
/// - `train/00000.tar` ... and `validation/00000.tar` ...: `.png`, `.txt` (the first caption) and `.json`
///   (`captions`: all);
/// - `held_out/CLASS/*.png`, `held_out/classnames.txt` and `held_out/templates.txt`: classes that do not
///   occur in training;
/// - `attributes/color/{train,test}/COLOR/*.png` and `attributes/shape/{train,test}/SHAPE/*.png`: the same images twice,
///   in all combinations of color and shape, for probes of what features tell about each;
/// - `rare/`, with made-up names for kinds of shapes (rare_shapes.h), that no caption above has: `memory/*.tar`, pairs of all
///   names; `train/*.tar` and `validation/*.tar`, pairs of every second name, the "seen"; `test/{all,seen,unseen}/NAME/*.png`
///   with `classnames.txt` and `templates.txt`; `seen_names.txt`; and `entities.tsv`, which says what each name stands for.
///
/// The bytes depend only on the arguments, whatever the number of threads. Throws UserError, also if `folder`
/// exists and is not empty.
void write_shapes_dataset(const std::filesystem::path& folder, const ShapesConfig& config,
                          const ShapesDatasetSize& size, std::int64_t threads);

}  // namespace cloob
