#include "cloob/nn/layers.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>

#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/nn/running_statistics.h"
#include "nn/sync_batch_norm.h"

namespace cloob {
namespace {

constexpr double kBatchNormEps = 1e-5;
constexpr double kMomentum = 0.1;

thread_local int num_statistics_guards = 0;

double default_bound(std::int64_t fan_in) { return 1 / std::sqrt(static_cast<double>(fan_in)); }

}  // namespace

LinearImpl::LinearImpl(std::int64_t in_features, std::int64_t out_features, const LinearInit& init,
                       Initializer& initializer)
    : weight(register_parameter(
          "weight", init.weight_std
                        ? initializer.normal({out_features, in_features}, *init.weight_std)
                        : initializer.uniform({out_features, in_features}, default_bound(in_features)))),
      bias(register_parameter(
          "bias", init.zero_bias ? initializer.constant({out_features}, 0)
                                 : initializer.uniform({out_features}, default_bound(in_features)))) {}

torch::Tensor LinearImpl::forward(const torch::Tensor& x) const { return at::linear(x, weight, bias); }

Conv2dImpl::Conv2dImpl(const ConvShape& shape, Initializer& initializer)
    : weight(register_parameter(
          "weight", initializer.uniform({shape.out_channels, shape.in_channels, shape.kernel, shape.kernel},
                                        default_bound(shape.in_channels * shape.kernel * shape.kernel)))),
      shape_(shape) {
  if (shape.bias) {
    const std::int64_t fan_in = shape.in_channels * shape.kernel * shape.kernel;
    bias = register_parameter("bias", initializer.uniform({shape.out_channels}, default_bound(fan_in)));
  }
}

torch::Tensor Conv2dImpl::forward(const torch::Tensor& x_BCHW) const {
  return at::conv2d(x_BCHW, weight, bias, shape_.stride, shape_.padding);
}

BatchNormImpl::BatchNormImpl(std::int64_t channels, double initial_gain, Initializer& initializer)
    : weight_(register_parameter("weight", initializer.constant({channels}, initial_gain))),
      bias_(register_parameter("bias", initializer.constant({channels}, 0))),
      running_mean_(register_buffer("running_mean", initializer.constant({channels}, 0))),
      running_var_(register_buffer("running_var", initializer.constant({channels}, 1))),
      num_batches_tracked_(register_buffer("num_batches_tracked", initializer.counter())) {}

KeepRunningStatistics::KeepRunningStatistics() { ++num_statistics_guards; }
KeepRunningStatistics::~KeepRunningStatistics() { --num_statistics_guards; }

void synchronize_batch_norms(const torch::nn::Module& module, const Collectives& collectives) {
  for (const auto& part : module.modules()) {
    if (auto* const norm = dynamic_cast<BatchNormImpl*>(part.get())) norm->synchronize(collectives);
  }
}

torch::Tensor BatchNormImpl::forward_synchronized(const torch::Tensor& x) {
  const SyncedBatchNorm result = sync_batch_norm(x, weight_, bias_, kBatchNormEps, *collectives_);
  if (num_statistics_guards > 0) return result.y;
  const at::NoGradGuard no_grad;
  num_batches_tracked_.add_(1);
  running_mean_.lerp_(result.mean_C.to(running_mean_.scalar_type()), kMomentum);
  running_var_.lerp_(result.variance_C.to(running_var_.scalar_type()), kMomentum);
  return result.y;
}

torch::Tensor BatchNormImpl::forward(const torch::Tensor& x) {
  if (is_training() && collectives_ != nullptr) return forward_synchronized(x);
  if (is_training() && x.numel() == x.size(1)) {
    throw_user_error(
        "a batch norm got a single value per channel, which has no variance, because one sample is encoded at "
        "a time: lower train.gradient_cache_parts, or raise train.global_batch_size or, for the image tower's, "
        "model.image.image_size");
  }
  if (is_training() && num_statistics_guards > 0) {
    return at::batch_norm(x, weight_, bias_, /*running_mean=*/{}, /*running_var=*/{}, /*training=*/true,
                          kMomentum, kBatchNormEps, /*cudnn_enabled=*/true);
  }
  if (is_training()) num_batches_tracked_.add_(1);
  return at::batch_norm(x, weight_, bias_, running_mean_, running_var_, is_training(), kMomentum,
                        kBatchNormEps,
                        /*cudnn_enabled=*/true);
}

LayerNormImpl::LayerNormImpl(std::int64_t width, Initializer& initializer, double eps)
    : weight_(register_parameter("weight", initializer.constant({width}, 1))),
      bias_(register_parameter("bias", initializer.constant({width}, 0))),
      eps_(eps) {}

torch::Tensor LayerNormImpl::forward(const torch::Tensor& x) const {
  // Cast first: for a bf16 input, LibTorch's CPU kernel would also accumulate the gradients of gain and bias
  // in bf16, and their sum over all tokens was found to be off by 30 %.
  const torch::Tensor x_fp32 = at_least_fp32(x);
  return at::layer_norm(x_fp32, weight_.sizes(), weight_, bias_, eps_).to(x.scalar_type());
}

EmbeddingImpl::EmbeddingImpl(std::int64_t num_rows, std::int64_t width, double std, Initializer& initializer)
    : weight_(register_parameter("weight", initializer.embedding({num_rows, width}, std))) {}

torch::Tensor EmbeddingImpl::forward(const torch::Tensor& ids_BL) const {
  return at::embedding(weight_, ids_BL);
}

}  // namespace cloob
