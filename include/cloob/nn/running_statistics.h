#pragma once

namespace cloob {

/// For the lifetime of the object, batch norms on this thread do not update their running statistics: for a
/// forward pass that is computed a second time.
class KeepRunningStatistics {
 public:
  KeepRunningStatistics();
  ~KeepRunningStatistics();
  KeepRunningStatistics(const KeepRunningStatistics&) = delete;
  KeepRunningStatistics& operator=(const KeepRunningStatistics&) = delete;
};

}  // namespace cloob
