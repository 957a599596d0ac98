#include "cloob/optim/parameter_groups.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <system_error>
#include <utility>

namespace cloob {
namespace {

constexpr std::array<std::string_view, 2> kShared = {"logit_scale", kLogBeta};

// What comes behind a tower's blocks.
constexpr std::array<std::string_view, 5> kHeads = {"visual.ln_post", "visual.proj", "visual.attnpool",
                                                    "ln_final", "text_projection"};

bool contains(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

// 3 of "transformer.resblocks.3.ln_1.weight" and "transformer.resblocks."
std::optional<std::int64_t> number_behind(std::string_view name, std::string_view prefix) {
  const std::size_t at = name.find(prefix);
  if (at == std::string_view::npos) return std::nullopt;
  std::int64_t number = 0;
  const char* const first = name.data() + at + prefix.size();
  const bool is_number = std::from_chars(first, name.data() + name.size(), number).ec == std::errc();
  return is_number ? std::optional(number) : std::nullopt;
}

std::int64_t last_layer(const NamedTensors& parameters, Tower tower) {
  std::int64_t last = 0;
  for (const auto& [name, tensor] : parameters) {
    if (tower_of(name) == tower) last = std::max(last, layer_of(name).value_or(0));
  }
  return last;
}

double layer_lr_scale(std::string_view name, std::int64_t head, const TowerOptimizerConfig& tower,
                      double lr) {
  const double tower_scale = tower.lr && lr > 0 ? *tower.lr / lr : 1.0;
  return tower_scale * std::pow(tower.layer_decay, head - layer_of(name).value_or(head));
}

}  // namespace

bool has_weight_decay(std::string_view name, std::int64_t num_dimensions, Reference reference) {
  if (reference == Reference::open_clip) return num_dimensions >= 2;
  return name != kLogBeta && !contains(name, "bn") && !contains(name, "ln") && !contains(name, "bias");
}

Tower tower_of(std::string_view name) {
  if (name.starts_with("visual.")) return Tower::image;
  return std::find(kShared.begin(), kShared.end(), name) != kShared.end() ? Tower::shared : Tower::text;
}

std::optional<std::int64_t> layer_of(std::string_view name) {
  if (const auto block = number_behind(name, "transformer.resblocks.")) return *block + 1;
  if (const auto stage = number_behind(name, "visual.layer")) return *stage;
  const bool is_head =
      std::ranges::any_of(kHeads, [&](std::string_view head) { return contains(name, head); });
  return is_head ? std::nullopt : std::optional<std::int64_t>(0);
}

std::vector<ParameterGroup> group_parameters(const NamedTensors& parameters, const OptimizerConfig& config,
                                             Reference reference) {
  const std::int64_t image_layers = last_layer(parameters, Tower::image) + 1;
  const std::int64_t text_layers = last_layer(parameters, Tower::text) + 1;
  std::map<std::pair<double, double>, std::vector<std::string>> names;
  for (const auto& [name, tensor] : parameters) {
    if (!tensor.requires_grad()) continue;
    const Tower tower = tower_of(name);
    double lr_scale = 1;
    if (tower == Tower::image) lr_scale = layer_lr_scale(name, image_layers, config.image, config.lr);
    if (tower == Tower::text) lr_scale = layer_lr_scale(name, text_layers, config.text, config.lr);
    const bool decays = has_weight_decay(name, tensor.dim(), reference);
    names[{decays ? config.weight_decay : 0.0, lr_scale}].push_back(name);
  }
  std::vector<ParameterGroup> groups;
  for (auto& [key, members] : names) groups.push_back({key.first, key.second, std::move(members)});
  return groups;
}

}  // namespace cloob
