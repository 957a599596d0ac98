#pragma once

#include "cloob/base/named_tensors.h"
#include "cloob/base/trained_parameter.h"

namespace cloob::testing {

/// Expects the same names with the same values, bit for bit.
void expect_same_bits(const NamedTensors& actual, const NamedTensors& expected);

/// Parameters of which nothing matters but the tensors.
inline TrainedParameters trained(const NamedTensors& tensors) {
  TrainedParameters parameters;
  for (const auto& [name, tensor] : tensors) parameters.emplace(name, TrainedParameter{tensor});
  return parameters;
}

}  // namespace cloob::testing
