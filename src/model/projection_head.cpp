#include "cloob/model/projection_head.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/relu.h>

#include <cmath>
#include <string>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"

namespace cloob {

ProjectionHeadImpl::ProjectionHeadImpl(const ProjectionHeadOptions& options, Initializer& initializer)
    : options_(options) {
  CLOOB_CHECK(options.in >= 1 && options.hidden >= 1 && options.out >= 1 && options.hidden_layers >= 0,
              "a projection head of {} -> {} layers of {} -> {}", options.in, options.hidden_layers,
              options.hidden, options.out);
  // Numbers of a torch.nn.Sequential, in which every third layer is a ReLU.
  std::int64_t in = options.in;
  for (std::int64_t layer = 0; layer < options.hidden_layers; ++layer) {
    linears_.push_back(
        register_module(std::to_string(3 * layer), Linear(in, options.hidden, LinearInit{}, initializer)));
    norms_.push_back(register_module(std::to_string(3 * layer + 1),
                                     BatchNorm(options.hidden, /*initial_gain=*/1.0, initializer)));
    in = options.hidden;
  }
  linears_.push_back(register_module(std::to_string(3 * options.hidden_layers),
                                     Linear(in, options.out, LinearInit{}, initializer)));
}

torch::Tensor ProjectionHeadImpl::forward(const torch::Tensor& x_BD) {
  CLOOB_CHECK(x_BD.dim() == 2 && x_BD.size(1) == options_.in, "expected features of shape (batch, {})",
              options_.in);
  torch::Tensor y = x_BD;
  for (std::size_t layer = 0; layer < norms_.size(); ++layer)
    y = at::relu(norms_[layer]->forward(linears_[layer]->forward(y)));
  return at_least_fp32(linears_.back()->forward(y));
}

void ProjectionHeadImpl::add_constant_vector(double length) {
  const at::NoGradGuard no_grad;
  linears_.back()->bias.add_(length / std::sqrt(static_cast<double>(options_.out)));
}

ProjectionHead copy_of(const ProjectionHead& head) {
  const bool has_values = !head->parameters().front().is_meta();
  Initializer initializer = has_values ? Initializer::uninitialized() : Initializer::shapes_only();
  ProjectionHead copy(head->options(), initializer);
  const at::NoGradGuard no_grad;
  const auto copy_all = [](const auto& from, const auto& to) {
    for (const auto& item : from) to[item.key()].copy_(item.value());
  };
  copy_all(head->named_parameters(), copy->named_parameters());
  copy_all(head->named_buffers(), copy->named_buffers());
  return copy;
}

}  // namespace cloob
