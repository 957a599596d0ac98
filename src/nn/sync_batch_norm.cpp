#include "nn/sync_batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rsqrt.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"

namespace cloob {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Of (B, C, H, W) or (B, C).
at::Tensor sum_per_channel(const at::Tensor& x) {
  constexpr std::array<std::int64_t, 3> kAllButChannels = {0, 2, 3};
  return x.sum(at::IntArrayRef(kAllButChannels).slice(0, static_cast<std::size_t>(x.dim() - 1)));
}

/// A view that is broadcast over what else a tensor of this number of dimensions has.
at::Tensor as_channels(const at::Tensor& values_C, std::int64_t dimensions) {
  return dimensions == 2 ? values_C : values_C.view({-1, 1, 1});
}

// Two passes, first the mean and then the squares of the differences from it: the difference of two large sums would lose a
// small variance.
class SyncBatchNorm : public torch::autograd::Function<SyncBatchNorm> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_in, const at::Tensor& weight_C,
                            const at::Tensor& bias_C, double eps, const Collectives* collectives,
                            SyncedBatchNorm* result) {
    const at::Tensor x = at_least_fp32(x_in);
    const auto of_channels = [&](const at::Tensor& values_C) { return as_channels(values_C, x.dim()); };
    const at::Tensor sum_C = sum_per_channel(x);
    const at::Tensor count =
        at::full({}, static_cast<double>(x.numel()) / static_cast<double>(x.size(1)), sum_C.options());
    collectives->sum_in_place(std::array{sum_C, count});
    const auto values = count.item<double>();
    if (values < 2) {
      throw_user_error(
          "a batch norm got {} values per channel on all ranks, which have no variance: lower "
          "train.gradient_cache_parts, or raise train.global_batch_size or, for the image tower's, "
          "model.image.image_size",
          values);
    }
    const at::Tensor mean_C = sum_C / values;
    const at::Tensor centered = x - of_channels(mean_C);
    const at::Tensor squares_C = sum_per_channel(centered * centered);
    collectives->sum_in_place(std::array{squares_C});
    const at::Tensor scale_C = at::rsqrt(squares_C / values + eps);
    result->mean_C = mean_C;
    result->variance_C = squares_C / (values - 1);
    context->save_for_backward({x_in, weight_C, mean_C, scale_C});
    context->saved_data["values"] = values;
    context->saved_data["collectives"] = reinterpret_cast<std::int64_t>(collectives);
    return (centered * of_channels(scale_C * weight_C) + of_channels(bias_C)).to(x_in.scalar_type());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto* collectives =
        reinterpret_cast<const Collectives*>(context->saved_data["collectives"].toInt());
    const double values = context->saved_data["values"].toDouble();
    const at::Tensor &x_in = saved[0], &weight_C = saved[1], &mean_C = saved[2], &scale_C = saved[3];
    const auto of_channels = [&](const at::Tensor& values_C) { return as_channels(values_C, x_in.dim()); };
    const at::Tensor gradient = at_least_fp32(gradients[0]);
    const at::Tensor normalized = (at_least_fp32(x_in) - of_channels(mean_C)) * of_channels(scale_C);
    const at::Tensor of_bias_C = sum_per_channel(gradient),
                     of_weight_C = sum_per_channel(gradient * normalized);
    const at::Tensor sum_C = of_bias_C.clone(), product_C = of_weight_C.clone();
    collectives->sum_in_place(std::array{sum_C, product_C});
    const at::Tensor of_x = of_channels(scale_C * weight_C) * (gradient - of_channels(sum_C / values) -
                                                               normalized * of_channels(product_C / values));
    return {of_x.to(x_in.scalar_type()), of_weight_C, of_bias_C, {}, {}, {}};
  }
};

}  // namespace

SyncedBatchNorm sync_batch_norm(const at::Tensor& x, const at::Tensor& weight_C, const at::Tensor& bias_C,
                                double eps, const Collectives& collectives) {
  SyncedBatchNorm result;
  result.y = SyncBatchNorm::apply(x, weight_C, bias_C, eps, &collectives, &result);
  return result;
}

}  // namespace cloob
