// Retrieval and fusion for both modalities.
//
// Shapes: B queries, K neighbors, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "cloob/base/named_tensors.h"
#include "cloob/base/trained_parameter.h"
#include "cloob/model/fusion.h"
#include "cloob/model/pair_memory.h"
#include "cloob/model/refinement.h"
#include "cloob/task/reco_config.h"

namespace cloob {

class Refiner {
 public:
  /// `memory` may be null for a fusion that uses none. Throws UserError if it does not fit.
  Refiner(const RecoConfig& config, std::int64_t dims, std::shared_ptr<const PairMemory> memory,
          Initializer& initializer);

  /// Unit features (B, D) -> rows of the memory (B, K), int64 on the CPU, -1 where there are fewer; (B, 0) without a memory.
  at::Tensor nearest(Modality modality, const at::Tensor& query_BD, const LeftOutPairs* left_out) const;
  /// Unit features and their rows -> refined unit features (B, D) on the device of the query, differentiable.
  at::Tensor fuse(Modality modality, const at::Tensor& query_BD, const at::Tensor& rows_BK) const;
  at::Tensor refine(Modality modality, const at::Tensor& query_BD) const {
    return fuse(modality, query_BD, nearest(modality, query_BD, nullptr));
  }
  /// The same for one query (1, D), with what each pair contributes. Only with a memory.
  Refinement explain(Modality modality, const at::Tensor& query_1D) const;

  /// With the same fusions and another memory. Throws UserError if it does not fit.
  std::shared_ptr<Refiner> with_memory(std::shared_ptr<const PairMemory> memory) const;

  const RecoConfig& config() const { return config_; }
  bool uses_memory() const { return config_.fusion != FusionKind::mlp; }
  void to(c10::Device device);
  /// Of the fusions, by name.
  TrainedParameters parameters() const;
  NamedTensors weights() const;
  void load(const NamedTensors& weights);

 private:
  void set_memory(std::shared_ptr<const PairMemory> memory, std::int64_t dims);
  Modality searched_for(Modality modality) const {
    return config_.search == RelativeModality::same ? modality : other(modality);
  }
  Modality fused_for(Modality modality) const {
    return config_.fuse == RelativeModality::same ? modality : other(modality);
  }

  RecoConfig config_;
  std::shared_ptr<const PairMemory> memory_;
  Fusion image_, text_;  // the same one if they share it
};

}  // namespace cloob
