#include "cloob/task/training_task.h"

namespace cloob {

NamedTensors TrainingTask::buffers() const {
  NamedTensors buffers = weights();
  const TrainedParameters trained = parameters();
  std::erase_if(buffers, [&](const auto& item) { return trained.contains(item.first); });
  return buffers;
}

}  // namespace cloob
