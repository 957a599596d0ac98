#include "cloob/report/bound_by.h"

namespace cloob {

BoundBy find_bound(double data_wait, double ready_fraction) {
  constexpr double kMinDataBoundWait = 0.1, kMinComputeBoundFill = 0.5;
  if (data_wait >= kMinDataBoundWait) return BoundBy::data;
  return ready_fraction >= kMinComputeBoundFill ? BoundBy::compute : BoundBy::balanced;
}

}  // namespace cloob
