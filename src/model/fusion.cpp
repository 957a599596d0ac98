#include "cloob/model/fusion.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"

namespace cloob {
namespace {

BlockShape block_shape(const FusionOptions& options, double mlp_ratio) {
  return {.width = options.dim,
          .heads = options.heads,
          .activation = Activation::gelu,
          .causal = false,
          .weight_stds = {},
          .mlp_ratio = mlp_ratio};
}

// Of the control: its MLP and norm have as many parameters as the blocks and the type embedding.
double mlp_ratio_of_control(const FusionOptions& options) {
  const auto d = static_cast<double>(options.dim), layers = static_cast<double>(options.layers);
  const double hidden = options.mlp_ratio * d;
  const double block = 4 * d * d + 4 * d + 4 * d + 2 * d * hidden + hidden + d;
  const double all = layers * block + (options.type_embedding ? 2 * d : 0);
  return (all - 3 * d) / (2 * d + 1) / d;  // without the norm and the last bias
}

// Layers that write into the residual stream.
void start_at_zero(const torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  for (const auto& parameter : module.named_parameters()) {
    const std::string& name = parameter.key();
    if (name.find("out_proj.") != std::string::npos || name.find("c_proj.") != std::string::npos)
      parameter.value().detach().zero_();
  }
}

}  // namespace

FusionImpl::FusionImpl(const FusionOptions& options, Initializer& initializer) : options_(options) {
  CLOOB_CHECK(options.dim >= 1 && options.layers >= 1, "a fusion of {} dimensions in {} layers", options.dim,
              options.layers);
  switch (options.kind) {
    case FusionKind::transformer:
      CLOOB_CHECK(options.dim % options.heads == 0, "{} dimensions in {} heads", options.dim, options.heads);
      if (options.type_embedding)
        type_embedding_ = register_parameter("type_embedding", initializer.constant({2, options.dim}, 0));
      transformer_ = register_module(
          "transformer", Transformer(block_shape(options, options.mlp_ratio), options.layers, initializer));
      break;
    case FusionKind::mlp:
      norm_ = register_module("ln", LayerNorm(options.dim, initializer));
      mlp_ = register_module("mlp", Mlp(block_shape(options, mlp_ratio_of_control(options)), initializer));
      break;
    case FusionKind::mean:
      break;
  }
  start_at_zero(*this);
}

torch::Tensor FusionImpl::forward(const torch::Tensor& query_BD, const torch::Tensor& retrieved_BKD,
                                  const torch::Tensor& counts_B) const {
  if (query_BD.size(0) == 0) return query_BD;
  switch (options_.kind) {
    case FusionKind::transformer:
      return unit_rows(attend_to_retrieved(query_BD, retrieved_BKD, counts_B));
    case FusionKind::mean:
      return unit_rows(mix_with_mean(query_BD, retrieved_BKD, counts_B));
    case FusionKind::mlp:
      return unit_rows(query_BD + mlp_->forward(norm_->forward(query_BD)));
  }
  CLOOB_CHECK(false, "no fusion of kind {}", static_cast<int>(options_.kind));
  return {};
}

// Queries with equally many retrieved features are a group of sequences of the same length.
torch::Tensor FusionImpl::attend_to_retrieved(const torch::Tensor& query_BD,
                                              const torch::Tensor& retrieved_BKD,
                                              const torch::Tensor& counts_B) const {
  const auto [sorted_B, order_B] = counts_B.sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  const at::Tensor order_on_device_B = order_B.to(query_BD.device());
  at::Tensor query = query_BD.index_select(0, order_on_device_B);
  at::Tensor retrieved = retrieved_BKD.index_select(0, order_on_device_B).to(query.scalar_type());
  if (type_embedding_.defined()) {
    query = query + type_embedding_[0];
    retrieved = retrieved + type_embedding_[1];
  }
  const at::Tensor sequences_BLD = at::cat({query.unsqueeze(1), retrieved}, /*dim=*/1);
  std::vector<at::Tensor> tokens;
  SequenceGroups groups;
  const std::int64_t* counts = sorted_B.const_data_ptr<std::int64_t>();
  for (std::int64_t first = 0, end = 0; first < sorted_B.numel(); first = end) {
    while (end < sorted_B.numel() && counts[end] == counts[first]) ++end;
    groups.push_back({.count = end - first, .length = 1 + counts[first]});
    tokens.push_back(
        sequences_BLD.narrow(0, first, end - first).narrow(1, 0, 1 + counts[first]).flatten(0, 1));
  }
  const at::Tensor refined_BD = transformer_->forward(join_groups(tokens), groups, PooledToken::first);
  return refined_BD.index_select(0, order_on_device_B.argsort());
}

torch::Tensor FusionImpl::mix_with_mean(const torch::Tensor& query_BD, const torch::Tensor& retrieved_BKD,
                                        const torch::Tensor& counts_B) const {
  const at::Tensor counts_B1 = counts_B.to(query_BD.device()).unsqueeze(1);
  const at::Tensor is_there_BK =
      at::arange(retrieved_BKD.size(1), counts_B1.options()).unsqueeze(0).lt(counts_B1);
  const at::Tensor sum_BD =
      (retrieved_BKD.to(query_BD.scalar_type()) * is_there_BK.unsqueeze(2).to(query_BD.scalar_type())).sum(1);
  const at::Tensor mean_BD = sum_BD / counts_B1.clamp_min(1).to(query_BD.scalar_type());
  const double weight = options_.mean_weight;
  return at::where(counts_B1.gt(0), (1 - weight) * query_BD + weight * mean_BD, query_BD);
}

}  // namespace cloob
