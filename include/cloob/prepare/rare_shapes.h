// Rare entities for a retrieval memory: kinds of shapes with made-up names that no caption of the data set `shapes` has.
//
// A model that was trained on `shapes` knows what the images show, but not the names: it cannot classify by them.
// A memory of pairs that have the names tells it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/prepare/shapes.h"

namespace cloob {

/// One for every combination of color, shape, background and its tone.
inline constexpr std::int64_t kMaxRareNames = 512;

struct RareEntity {
  std::string name;  ///< for example "zolbak"
  std::size_t color = 0, shape = 0, tone = 0, background = 0;
  bool seen = false;  ///< in training pairs; the name is in the memory in any case
};

/// As many different entities, seen and unseen alternating. Depends on the seed alone; fewer entities are the first of more.
std::vector<RareEntity> rare_entities(std::int64_t seed, std::int64_t count);

/// For example "red circle on a dark striped background".
std::string describe(const RareEntity& entity);

/// Independent images of the same entities.
enum class RareSplit { memory, train, validation, test };

/// A pure function of its arguments. Size, place and direction vary; captions have the name alone.
ShapeSample render_rare_sample(const ShapesConfig& config, RareSplit split, const RareEntity& entity,
                               std::int64_t index);

}  // namespace cloob
