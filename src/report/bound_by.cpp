#include "cloob/report/bound_by.h"

namespace cloob {

BoundBy find_bound(double data_wait, double ready_share) {
  constexpr double kLongWait = 0.1, kWellFilled = 0.5;
  if (data_wait >= kLongWait) return BoundBy::data;
  return ready_share >= kWellFilled ? BoundBy::compute : BoundBy::balanced;
}

}  // namespace cloob
