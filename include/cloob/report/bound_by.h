// What limits the speed of a training loop.
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

/// The bound of a loop that spends the fraction `data_wait` of its time waiting for data, and on average
/// finds the fraction `ready_fraction` of the prefetch queue filled; both in [0, 1].
///
/// `data`: it waits for at least a tenth of its time. `compute`: it waits less, and at least half of the
/// queue is filled. `balanced`: it waits less, and less of the queue is filled: the data just keeps up. A
/// short wait alone means nothing, because taking a ready batch from the queue takes time, too.
BoundBy find_bound(double data_wait, double ready_fraction);

}  // namespace cloob
