#include "cloob/task/protoclip_config.h"

#include <algorithm>

#include "cloob/base/error.h"

namespace cloob {

void ProtoClipConfig::validate() const {
  if (teacher && !back_translation) {
    throw_user_error(
        "protoclip.teacher needs protoclip.back_translation: the teacher's own clusters have no prototypes that images and "
        "texts could be compared with");
  }
  if (w_clip == 0 && !uses_prototypes()) {
    throw_user_error("protoclip.w_clip and w_proto are 0{}: no loss is left to train",
                     teacher ? ", and so is w_teacher" : ", and there is no protoclip.teacher");
  }
}

std::int64_t ProtoClipConfig::samples_of_episode(std::int64_t data_samples) const {
  return episode_samples.value_or(data_samples);
}

std::int64_t ProtoClipConfig::prototypes_of(std::int64_t episode) const {
  constexpr std::int64_t kSamplesPerPrototype = 10, kMax = 20'000;  // of the authors' recipe
  return prototypes.value_or(std::clamp<std::int64_t>(episode / kSamplesPerPrototype, 2, kMax));
}

}  // namespace cloob
