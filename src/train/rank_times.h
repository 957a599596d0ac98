// How long the ranks of a run take for a step without waiting for each other: what communication costs, and which rank is slow.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cloob/report/named_numbers.h"

namespace cloob {

/// Collects the times of steps; belongs to rank 0.
class RankTimes {
 public:
  /// One step: its duration, which is about the same for all, and the part of it in which each rank did not wait for others.
  void add(double step_seconds, std::span<const double> own_seconds);

  /// Whether there are no steps of several ranks. The others need some.
  bool empty() const { return num_steps_ == 0; }
  /// Fraction of the time, 0 to 1, in which even the slowest rank of a step waited: for operations, not for others.
  double communication_share() const;
  /// {"ranks/communication_share", ...}, {"ranks/step_time_min", ...} and "_median", "_max", "ranks/slowest", and, of at most 64
  /// ranks, {"ranks/step_time/0", ...}: means over the steps, without waiting for others.
  NamedNumbers metrics() const;
  /// A sentence about the slowest rank, if it has been slower than most for some time and was not named before.
  std::optional<std::string> new_straggler();
  /// Forgets the steps.
  void clear();

 private:
  std::vector<double> means() const;

  double step_seconds_ = 0, slowest_seconds_ = 0;  // sums
  std::vector<double> own_seconds_;                // sums, by rank
  std::int64_t num_steps_ = 0;
  std::int64_t straggler_ = -1;  // the last one that was named and is still slow
};

}  // namespace cloob
