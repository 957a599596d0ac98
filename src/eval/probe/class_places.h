#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cloob/base/collectives.h"
#include "cloob/eval/probe/labeled_features.h"

namespace cloob {

/// The places of rows among those of their class on all ranks.
struct ClassPlaces {
  std::vector<std::vector<std::int64_t>> of_row;  ///< for each part of this rank
  std::vector<std::int64_t> rows_of_class;        ///< on all ranks
};

/// A collective operation.
ClassPlaces class_places(const std::vector<LabeledPart>& own, std::int64_t num_classes,
                         const Collectives& collectives);

/// The rows of each part whose class and place in it are selected, without parts of which none is.
std::vector<LabeledPart> select_rows(
    const std::vector<LabeledPart>& own, const ClassPlaces& places,
    const std::function<bool(std::int64_t label, std::int64_t place)>& is_selected);

}  // namespace cloob
