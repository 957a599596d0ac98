#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "cloob/base/trained_parameter.h"

namespace cloob {

/// The parameters that require gradients, in about the order in which a backward pass reaches them: shared ones, then the text
/// tower, which is encoded last, then the image tower; in a tower from the last layer to the first. The order is a
/// property of the model, so that sums over ranks do not depend on which step of a run a process started with.
std::vector<at::Tensor> in_backward_order(const TrainedParameters& parameters);

}  // namespace cloob
