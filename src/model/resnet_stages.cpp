#include "model/resnet_stages.h"

namespace cloob {

ResnetStages resnet_stages(const ImageEncoderConfig& config) {
  ResnetStages stages;
  BottleneckShape next{.in_channels = config.width, .inner_channels = config.width, .stride = 1};
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    for (std::int64_t block = 0; block < config.layers.at(stage); ++block) {
      stages[stage].push_back(next);
      next.in_channels = next.out_channels();
      next.stride = 1;
    }
    next.inner_channels *= 2;
    next.stride = 2;
  }
  return stages;
}

}  // namespace cloob
