#pragma once

#include <ATen/core/Tensor.h>

#include "cloob/base/collectives.h"

namespace cloob {

/// Sums of fp64 tensors that have the same bits for any order and any grouping of the addends, so also for any number of ranks:
/// each addend is rounded to a multiple of a quantum, of which 64-bit integers are counted. The quantum is at most 2^-59 of
/// `bound`.
class ExactSum {
 public:
  /// The absolute values of all addends of an element, on all ranks, sum to at most `bound`, which is the same on all ranks.
  ExactSum(at::IntArrayRef shape, double bound);
  void add(const at::Tensor& addend);
  /// The sum over all ranks, fp64. A collective operation.
  at::Tensor total(const Collectives& collectives) const;

 private:
  double quanta_per_unit_;  ///< a power of two
  at::Tensor quanta_;
};

}  // namespace cloob
