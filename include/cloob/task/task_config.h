#pragma once

#include <array>
#include <string_view>
#include <tuple>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// What is trained.
enum class TaskKind { contrastive, protoclip, reco };

template <>
struct EnumNames<TaskKind> {
  static constexpr std::array<std::pair<std::string_view, TaskKind>, 3> names = {
      {{"contrastive", TaskKind::contrastive}, {"protoclip", TaskKind::protoclip}, {"reco", TaskKind::reco}}};
};

/// Whether steps need images and texts of their samples. If not, batches of training have neither, and say only which samples they are
/// of: the task has encoded all of them before.
inline bool reads_samples(TaskKind kind) { return kind != TaskKind::reco; }

/// Section `task`.
struct TaskConfig {
  TaskKind kind = TaskKind::contrastive;

  static constexpr auto fields() {
    return std::tuple(field(
        "kind", &TaskConfig::kind,
        "What is trained. contrastive: two towers, whose features are pulled together within a pair "
        "and pushed apart between pairs; loss.kind and retrieval.kind select CLIP, CLOOB, "
        "SigLIP or one of the objectives in between. protoclip: that and a contrast of samples with the clusters of an "
        "episode (section protoclip). reco: a fusion of the features of frozen towers with pairs from a memory (section "
        "reco)."));
  }
};
static_assert(lists_every_member<TaskConfig>);

}  // namespace cloob
