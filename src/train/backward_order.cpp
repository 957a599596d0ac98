#include "train/backward_order.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <tuple>

namespace cloob {
namespace {

std::tuple<int, std::int64_t> place_of(const TrainedParameter& parameter) {
  const int tower = parameter.tower == Tower::shared ? 0 : parameter.tower == Tower::text ? 1 : 2;
  return {tower, -parameter.layer.value_or(std::numeric_limits<std::int64_t>::max())};
}

}  // namespace

std::vector<at::Tensor> in_backward_order(const TrainedParameters& parameters) {
  std::vector<const TrainedParameter*> trained;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.tensor.requires_grad()) trained.push_back(&parameter);
  }
  std::ranges::stable_sort(trained, {},
                           [](const TrainedParameter* parameter) { return place_of(*parameter); });
  std::vector<at::Tensor> tensors;
  for (const TrainedParameter* parameter : trained) tensors.push_back(parameter->tensor);
  return tensors;
}

}  // namespace cloob
