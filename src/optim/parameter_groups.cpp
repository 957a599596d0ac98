#include "cloob/optim/parameter_groups.h"

#include <algorithm>
#include <array>

namespace cloob {
namespace {

constexpr std::array<std::string_view, 2> kShared = {"logit_scale", kLogBeta};

bool contains(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

}  // namespace

bool has_weight_decay(std::string_view name, std::int64_t num_dimensions, Reference reference) {
  if (reference == Reference::open_clip) return num_dimensions >= 2;
  return name != kLogBeta && !contains(name, "bn") && !contains(name, "ln") && !contains(name, "bias");
}

ParameterGroups group_parameters(const NamedTensors& parameters, Reference reference) {
  ParameterGroups groups;
  for (const auto& [name, tensor] : parameters) {
    if (!tensor.requires_grad()) continue;
    (has_weight_decay(name, tensor.dim(), reference) ? groups.decayed : groups.undecayed).push_back(name);
  }
  return groups;
}

Tower tower_of(std::string_view name) {
  if (name.starts_with("visual.")) return Tower::image;
  return std::find(kShared.begin(), kShared.end(), name) != kShared.end() ? Tower::shared : Tower::text;
}

}  // namespace cloob
