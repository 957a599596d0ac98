// What a training loop waits for.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

enum class BoundBy { data, compute, balanced };
template <>
struct EnumNames<BoundBy> {
  static constexpr std::array<std::pair<std::string_view, BoundBy>, 3> names = {
      {{"data", BoundBy::data}, {"compute", BoundBy::compute}, {"balanced", BoundBy::balanced}}};
};

/// What bounds a loop that waits for data `data_wait` of its time, and finds `ready_share` of the batches
/// that can be made ready ahead waiting for it, both 0 to 1.
///
/// `data`: it waits a tenth of its time or more. `compute`: it waits less, and at least half of the batches
/// are there. `balanced`: it waits less, and fewer are there: the data just keeps up. A short wait alone
/// means nothing, because to hand over a batch that is there takes time, too.
BoundBy find_bound(double data_wait, double ready_share);

}  // namespace cloob
