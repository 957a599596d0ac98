// Which features of an image tower: those that are compared with texts, or what they are made from.
//
// Shapes: B batch, D features of the shared space (embed_dim), W features of the tower.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

/// unit: L2-normalized; raw: the same before normalization; tower: before the projection to the shared space.
enum class FeatureStage { unit, raw, tower };

template <>
struct EnumNames<FeatureStage> {
  static constexpr std::array<std::pair<std::string_view, FeatureStage>, 3> names = {
      {{"unit", FeatureStage::unit}, {"raw", FeatureStage::raw}, {"tower", FeatureStage::tower}}};
};

using FeatureStages = std::set<FeatureStage>;

/// The features of the same images at several stages. Those that were not asked for are undefined tensors.
struct ImageFeatureStages {
  at::Tensor unit_BD;
  at::Tensor raw_BD;
  at::Tensor tower_BW;

  const at::Tensor& at(FeatureStage stage) const {
    if (stage == FeatureStage::unit) return unit_BD;
    return stage == FeatureStage::raw ? raw_BD : tower_BW;
  }
  at::Tensor& at(FeatureStage stage) { return const_cast<at::Tensor&>(std::as_const(*this).at(stage)); }
};

}  // namespace cloob
