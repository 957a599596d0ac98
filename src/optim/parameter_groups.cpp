#include "cloob/optim/parameter_groups.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

namespace cloob {
namespace {

bool contains(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

std::int64_t last_layer(const TrainedParameters& parameters, Tower tower) {
  std::int64_t last = 0;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.tower == tower) last = std::max(last, parameter.layer.value_or(0));
  }
  return last;
}

double layer_lr_scale(const TrainedParameter& parameter, std::int64_t head, const TowerOptimizerConfig& tower,
                      double lr) {
  const double tower_scale = tower.lr && lr > 0 ? *tower.lr / lr : 1.0;
  return tower_scale * std::pow(tower.layer_decay, head - parameter.layer.value_or(head));
}

}  // namespace

bool has_weight_decay(std::string_view name, const TrainedParameter& parameter, Reference reference) {
  if (parameter.is_exempt_from_decay) return false;
  if (reference == Reference::cloob)
    return !contains(name, "bn") && !contains(name, "ln") && !contains(name, "bias");
  const bool is_exempt_head = reference == Reference::protoclip && parameter.is_projection_head;
  return parameter.tensor.dim() >= 2 && !is_exempt_head;
}

std::vector<ParameterGroup> group_parameters(const TrainedParameters& parameters,
                                             const OptimizerConfig& config, Reference reference) {
  const std::int64_t image_head = last_layer(parameters, Tower::image) + 1;
  const std::int64_t text_head = last_layer(parameters, Tower::text) + 1;
  std::map<std::tuple<double, double, bool>, std::vector<std::string>> names;
  for (const auto& [name, parameter] : parameters) {
    if (!parameter.tensor.requires_grad()) continue;
    double lr_scale = 1;
    if (parameter.tower == Tower::image)
      lr_scale = layer_lr_scale(parameter, image_head, config.image, config.lr);
    if (parameter.tower == Tower::text)
      lr_scale = layer_lr_scale(parameter, text_head, config.text, config.lr);
    const bool decays = has_weight_decay(name, parameter, reference);
    const bool is_of_image_tower = parameter.tower == Tower::image;
    names[{decays ? config.weight_decay : 0.0, lr_scale, is_of_image_tower}].push_back(name);
  }
  std::vector<ParameterGroup> groups;
  for (auto& [key, members] : names) {
    const auto& [weight_decay, lr_scale, is_of_image_tower] = key;
    groups.push_back({weight_decay, lr_scale, is_of_image_tower, std::move(members)});
  }
  return groups;
}

}  // namespace cloob
