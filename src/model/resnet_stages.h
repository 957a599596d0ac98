#pragma once

#include <array>
#include <vector>

#include "cloob/model/model_config.h"
#include "cloob/nn/bottleneck.h"

namespace cloob {

using ResnetStages = std::array<std::vector<BottleneckShape>, 4>;

/// The blocks of a resnet's four stages, in order. The input of the first stage has a quarter of the image's
/// rows and columns.
ResnetStages resnet_stages(const ImageEncoderConfig& config);

}  // namespace cloob
