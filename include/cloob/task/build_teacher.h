// Makes the file of a teacher from features that another program has computed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "cloob/base/tally.h"
#include "cloob/data/source.h"

namespace cloob {

/// Called with the number of rows or samples that are done, and the total.
using TeacherProgress = std::function<void(std::int64_t done, std::int64_t total)>;

struct TeacherOptions {
  std::filesystem::path features;  ///< a matrix: .npy or safetensors
  std::string tensor;              ///< of a safetensors file; empty: `features`, or the only one
  /// A text file: line k is the key of the sample to which row k belongs. Empty: rows are in the order of the samples.
  std::filesystem::path keys;
  std::int64_t dims = 64;  ///< numbers of a row after PCA; 0: no PCA
  std::string command;     ///< kept in the file
  std::int64_t threads = 0;
  TeacherProgress match_progress = {}, write_progress = {};
};

struct TeacherSummary {
  std::int64_t samples = 0;
  std::int64_t input_dims = 0, dims = 0;
  double explained_variance = 1;  ///< the part of the variance that PCA keeps
  Tally unused_rows;              ///< of keys that no sample has
  Tally without_features;         ///< samples whose keys cannot be read
};

/// Writes a row of fp32 numbers for every sample of the source to `out`, in the order of the samples. PCA is that of faiss's
/// PCAMatrix: about the mean, without whitening; computed from at most a million rows, spread evenly. Besides these rows,
/// memory does not grow with the features. Throws UserError if a sample has no row or several, if a number is not finite, and
/// if the files are damaged.
TeacherSummary build_teacher(const Source& source, const TeacherOptions& options,
                             const std::filesystem::path& out);

}  // namespace cloob
