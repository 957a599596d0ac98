// The two-by-two grid of objectives and the short names of its cells.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/config/field.h"
#include "cloob/objective/objective_config.h"
#include "cloob/retrieval/retrieval_config.h"

namespace cloob {

/// A cell of the grid `loss.kind` x `retrieval.kind`.
enum class ObjectiveSystem { clip, cloob, info_loob, info_nce_hopfield };

template <>
struct EnumNames<ObjectiveSystem> {
  static constexpr std::array<std::pair<std::string_view, ObjectiveSystem>, 4> names = {
      {{"clip", ObjectiveSystem::clip},
       {"cloob", ObjectiveSystem::cloob},
       {"info_loob", ObjectiveSystem::info_loob},
       {"info_nce_hopfield", ObjectiveSystem::info_nce_hopfield}}};
};

struct ObjectiveKinds {
  LossKind loss;
  RetrievalKind retrieval;
};

constexpr ObjectiveKinds kinds_of(ObjectiveSystem system) {
  switch (system) {
    case ObjectiveSystem::clip:
      return {LossKind::info_nce, RetrievalKind::none};
    case ObjectiveSystem::cloob:
      return {LossKind::info_loob, RetrievalKind::hopfield};
    case ObjectiveSystem::info_loob:
      return {LossKind::info_loob, RetrievalKind::none};
    case ObjectiveSystem::info_nce_hopfield:
      break;
  }
  return {LossKind::info_nce, RetrievalKind::hopfield};
}

constexpr ObjectiveSystem system_of(LossKind loss, RetrievalKind retrieval) {
  if (retrieval == RetrievalKind::none) {
    return loss == LossKind::info_nce ? ObjectiveSystem::clip : ObjectiveSystem::info_loob;
  }
  return loss == LossKind::info_nce ? ObjectiveSystem::info_nce_hopfield : ObjectiveSystem::cloob;
}

/// Settings that differ from their defaults but have no effect with the chosen kinds, each with the reason,
/// for example "retrieval.beta (retrieval.kind is none)".
std::vector<std::string> settings_without_effect(const LossConfig& loss, const RetrievalConfig& retrieval);

}  // namespace cloob
