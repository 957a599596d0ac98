#pragma once

#include <cstdint>

#include "cloob/base/named_tensors.h"
#include "cloob/optim/optim_config.h"

namespace cloob {

/// Detects harmful steps: a loss or gradient norm that is not finite, or a norm far above those of previous
/// steps.
///
/// Norms are compared with an exponential moving average over about 100 accepted steps. Before 20 steps have
/// been accepted, only non-finite values count as spikes.
class SpikeGuard {
 public:
  explicit SpikeGuard(const SpikeGuardConfig& config);

  /// Whether to take step number `step`; records the result.
  bool accepts(std::int64_t step, double loss, double gradient_norm);

  /// The current threshold above which a norm is a spike; infinity while too few steps have been accepted.
  double largest_norm() const;
  std::int64_t skipped() const { return skipped_; }
  /// Consecutive skipped steps since the last accepted one.
  std::int64_t skipped_in_a_row() const { return skipped_in_a_row_; }
  /// The first of these; meaningless if there are none.
  std::int64_t first_skipped_step() const { return first_skipped_step_; }

  /// Resets the count of consecutive skipped steps, after the weights were rolled back.
  void reset_skipped_in_a_row() { skipped_in_a_row_ = 0; }

  /// Copies, as fp64 scalars.
  NamedTensors state() const;
  /// Throws UserError if something is missing.
  void load_state(const NamedTensors& state);

 private:
  SpikeGuardConfig config_;
  double average_norm_ = 0;
  std::int64_t accepted_ = 0;
  std::int64_t skipped_ = 0;
  std::int64_t skipped_in_a_row_ = 0;
  std::int64_t first_skipped_step_ = 0;
};

}  // namespace cloob
