// Fusion of a feature with what was retrieved for it (Iscen et al., "Retrieval-Enhanced Contrastive Vision-Text Models").
//
// Shapes: B queries, K retrieved features, D features.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "cloob/nn/initializer.h"
#include "cloob/nn/layers.h"
#include "cloob/nn/transformer.h"

namespace cloob {

enum class FusionKind {
  transformer,  ///< learned: pre-norm blocks over the query and what was retrieved
  mean,         ///< not learned
  mlp           ///< the control: as many parameters as the transformer, and nothing that was retrieved
};

struct FusionOptions {
  FusionKind kind = FusionKind::transformer;
  std::int64_t dim = 0;
  std::int64_t layers = 1;
  std::int64_t heads = 8;
  double mlp_ratio = 4;
  bool type_embedding = true;  ///< one learned vector for queries, one for what was retrieved
  double mean_weight = 0.5;    ///< of the mean of what was retrieved, beside the query
};

/// Refines unit features. Blocks have no positions, since what was retrieved is a set. The layers that write into the residual
/// stream start at zero, so that training starts from the features as they are.
class FusionImpl : public torch::nn::Module {
 public:
  FusionImpl(const FusionOptions& options, Initializer& initializer);

  /// (B, D), and (B, K, D) of which query b has the first counts_B[b] (int64, CPU) -> unit rows (B, D), at least float32.
  torch::Tensor forward(const torch::Tensor& query_BD, const torch::Tensor& retrieved_BKD,
                        const torch::Tensor& counts_B) const;

  const FusionOptions& options() const { return options_; }

 private:
  torch::Tensor attend_to_retrieved(const torch::Tensor& query_BD, const torch::Tensor& retrieved_BKD,
                                    const torch::Tensor& counts_B) const;
  torch::Tensor mix_with_mean(const torch::Tensor& query_BD, const torch::Tensor& retrieved_BKD,
                              const torch::Tensor& counts_B) const;

  FusionOptions options_;
  torch::Tensor type_embedding_;  // (2, D): of the query, of what was retrieved
  Transformer transformer_{nullptr};
  LayerNorm norm_{nullptr};
  Mlp mlp_{nullptr};
};
TORCH_MODULE(Fusion);

}  // namespace cloob
