#pragma once

#include <cstdint>

#include "cloob/base/named_tensors.h"
#include "cloob/optim/optim_config.h"

namespace cloob {

/// Tells steps that would do harm: a loss or gradient norm that is not finite, or a norm far above those of
/// the steps before.
///
/// The average is an exponential one over about 100 accepted steps. Nothing but what is not finite counts as
/// a spike before 20 steps were accepted.
class SpikeGuard {
 public:
  explicit SpikeGuard(const SpikeGuardConfig& config);

  /// Whether to take step number `step`; counts it.
  bool accepts(std::int64_t step, double loss, double gradient_norm);

  /// What a norm has to exceed to be a spike, now; infinity as long as too few steps were accepted.
  double largest_norm() const;
  std::int64_t skipped() const { return skipped_; }
  /// Since the last step that was taken.
  std::int64_t skipped_in_a_row() const { return skipped_in_a_row_; }
  /// The first of these; meaningless when there are none.
  std::int64_t first_skipped_step() const { return first_skipped_step_; }

  /// Forgets the steps in a row, after the weights have gone back.
  void restart_row() { skipped_in_a_row_ = 0; }

  /// Copies, fp64 scalars.
  NamedTensors state() const;
  /// Throws UserError when something is missing.
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
