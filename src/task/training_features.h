// What RECO knows of its training samples before it starts: features of the frozen towers, and what they retrieve.
//
// Shapes: n usable samples, S samples of the source, B samples of a batch, K neighbors, D features; all on the CPU.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/data/source.h"
#include "cloob/model/pair_memory.h"
#include "cloob/task/reco_config.h"

namespace cloob {

struct TrainingFeatures {
  at::Tensor indices_n;  ///< of the source: int64, ascending
  at::Tensor image_nD, text_nD;
  at::Tensor image_rows_nK, text_rows_nK;  ///< of the memory, see Refiner::nearest
};

/// The rows of all ranks, each sample once, in the order of the source. A collective operation on `device`; a rank may have none, of
/// empty tensors of the right type and D.
TrainingFeatures gather(const TrainingFeatures& own, c10::Device device, const Collectives& collectives);

/// The row of each sample of the source: int64 (S), -1 for unusable ones.
at::Tensor rows_of_samples(const TrainingFeatures& features, std::int64_t num_samples);

/// Keeps the features of training samples in a folder, a file for each model, data and memory and for each setting on which they
/// depend. `encoding` says how samples are encoded, besides by which model.
class TrainingFeatureCache {
 public:
  TrainingFeatureCache(std::filesystem::path folder, const Source& source, const PairMemory& memory,
                       const RecoConfig& config, const std::string& encoding);

  const std::filesystem::path& file() const { return file_; }
  /// nullopt if they are not there on all ranks. A damaged file is as none, with a warning. A collective operation.
  std::optional<TrainingFeatures> read(const Collectives& collectives) const;
  /// A failure is a warning: training goes on without.
  void write(const TrainingFeatures& features) const;

 private:
  std::optional<TrainingFeatures> read() const;

  std::string identity_;  // of what the features depend on
  std::filesystem::path file_;
  std::int64_t num_samples_, num_pairs_, dims_, k_;
};

}  // namespace cloob
