// Profiles training steps with LibTorch's profiler.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace cloob {

/// An event on a CPU thread or on a device.
struct ProfiledEvent {
  std::string name;
  std::uint64_t thread = 0;
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  bool is_stage = false;
  bool is_on_device = false;
};

/// Formats a table: stages in the order of their first occurrence, then the operators with the largest self
/// time. `seconds` is the total time of all `num_steps` steps.
std::string describe_profile(const std::vector<ProfiledEvent>& events, std::int64_t num_steps,
                             double seconds);

/// Profiles `num_steps` steps of a run after three warm-up steps: libraries initialize in the first two, and
/// the third may be captured (train.cuda_graph). Stages are the scopes that the code marks with
/// RECORD_USER_SCOPE.
class StepProfile {
 public:
  StepProfile(std::int64_t num_steps, c10::Device device, std::filesystem::path trace_file);
  ~StepProfile();
  StepProfile(const StepProfile&) = delete;
  StepProfile& operator=(const StepProfile&) = delete;

  /// Call these around every step of the run. After the last profiled step, prints the table and writes the
  /// trace in Chrome's trace format; logs a warning if that fails.
  void begin_step();
  void end_step();

  /// Ends the profile early, with the steps so far.
  void finish();
  bool is_finished() const { return !is_running_ && !steps_ns_.empty(); }

 private:
  bool is_within_a_step(std::uint64_t time_ns) const;
  double seconds() const;

  std::int64_t num_steps_;
  c10::Device device_;
  std::filesystem::path trace_file_;
  std::int64_t steps_begun_ = 0;
  std::int64_t step_start_ns_ = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> steps_ns_;  ///< start and end of the profiled steps
  bool is_running_ = false;
};

}  // namespace cloob
