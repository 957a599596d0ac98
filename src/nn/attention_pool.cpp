#include "cloob/nn/attention_pool.h"

#include <ATen/ops/cat.h>

#include <cmath>

#include "cloob/nn/attention.h"

namespace cloob {
namespace {

double weight_std(const AttentionPoolShape& shape) { return 1 / std::sqrt(static_cast<double>(shape.width)); }

Linear projection(const AttentionPoolShape& shape, std::int64_t out_features, Initializer& initializer) {
  return Linear(shape.width, out_features, LinearInit{.weight_std = weight_std(shape)}, initializer);
}

}  // namespace

AttentionPoolImpl::AttentionPoolImpl(const AttentionPoolShape& shape, Initializer& initializer)
    : heads_(shape.heads),
      positional_embedding_(register_parameter(
          "positional_embedding",
          initializer.embedding({shape.grid_size * shape.grid_size + 1, shape.width}, weight_std(shape)))),
      key_(register_module("k_proj", projection(shape, shape.width, initializer))),
      query_(register_module("q_proj", projection(shape, shape.width, initializer))),
      value_(register_module("v_proj", projection(shape, shape.width, initializer))),
      output_(register_module("c_proj", projection(shape, shape.output_width, initializer))) {}

torch::Tensor AttentionPoolImpl::pool(const torch::Tensor& x_BCHW) const {
  const torch::Tensor positions_BLC = x_BCHW.flatten(2).transpose(1, 2);
  const torch::Tensor tokens_BLC =
      at::cat({positions_BLC.mean(1, /*keepdim=*/true), positions_BLC}, 1) + positional_embedding_;
  const torch::Tensor mean_B1C = tokens_BLC.narrow(1, 0, 1);
  return attend(query_->forward(mean_B1C), key_->forward(tokens_BLC), value_->forward(tokens_BLC), heads_,
                /*causal=*/false)
      .squeeze(1);
}

torch::Tensor AttentionPoolImpl::project(const torch::Tensor& pooled_BC) const {
  return output_->forward(pooled_BC);
}

}  // namespace cloob
