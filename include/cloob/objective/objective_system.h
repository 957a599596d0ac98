// The grid of objectives, losses by retrievals, and the short names of its cells.
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
enum class ObjectiveSystem { clip, cloob, info_loob, info_nce_hopfield, siglip, sigmoid_hopfield };

template <>
struct EnumNames<ObjectiveSystem> {
  static constexpr std::array<std::pair<std::string_view, ObjectiveSystem>, 6> names = {
      {{"clip", ObjectiveSystem::clip},
       {"cloob", ObjectiveSystem::cloob},
       {"info_loob", ObjectiveSystem::info_loob},
       {"info_nce_hopfield", ObjectiveSystem::info_nce_hopfield},
       {"siglip", ObjectiveSystem::siglip},
       {"sigmoid_hopfield", ObjectiveSystem::sigmoid_hopfield}}};
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
    case ObjectiveSystem::siglip:
      return {LossKind::sigmoid, RetrievalKind::none};
    case ObjectiveSystem::sigmoid_hopfield:
      return {LossKind::sigmoid, RetrievalKind::hopfield};
    case ObjectiveSystem::info_nce_hopfield:
      break;
  }
  return {LossKind::info_nce, RetrievalKind::hopfield};
}

constexpr ObjectiveSystem system_of(LossKind loss, RetrievalKind retrieval) {
  const bool retrieves = retrieval == RetrievalKind::hopfield;
  switch (loss) {
    case LossKind::info_loob:
      return retrieves ? ObjectiveSystem::cloob : ObjectiveSystem::info_loob;
    case LossKind::sigmoid:
      return retrieves ? ObjectiveSystem::sigmoid_hopfield : ObjectiveSystem::siglip;
    case LossKind::info_nce:
      break;
  }
  return retrieves ? ObjectiveSystem::info_nce_hopfield : ObjectiveSystem::clip;
}

/// Settings that differ from their defaults but have no effect with the chosen kinds, each with the reason,
/// for example "retrieval.beta (retrieval.kind is none)".
std::vector<std::string> settings_without_effect(const LossConfig& loss, const RetrievalConfig& retrieval);

}  // namespace cloob
