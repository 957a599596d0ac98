// What a run's steps spend their time on, as LibTorch's profiler sees it.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace cloob {

/// A piece of work on one thread, or on a device.
struct ProfiledEvent {
  std::string name;
  std::uint64_t thread = 0;
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  bool is_station = false;
  bool is_on_device = false;
};

/// Lines of a table: stations in the order in which they first came, then the operators with the most time of
/// their own, that of what they called left out. `seconds` is the time of all `num_steps` steps.
std::string describe_profile(const std::vector<ProfiledEvent>& events, std::int64_t num_steps,
                             double seconds);

/// Profiles `num_steps` steps of a run, after three that are not counted: libraries start up in the
/// first two, and the third may be recorded (train.cuda_graph).
/// Stations are what the code marks with RECORD_USER_SCOPE.
class StepProfile {
 public:
  StepProfile(std::int64_t num_steps, c10::Device device, std::filesystem::path trace_file);
  ~StepProfile();
  StepProfile(const StepProfile&) = delete;
  StepProfile& operator=(const StepProfile&) = delete;

  /// Around every step of the run. After the last one that counts, prints the table and writes the trace in
  /// the format of Chrome's tracing; warns when that cannot be written.
  void begin_step();
  void end_step();

  /// Ends early, with the steps so far.
  void finish();

 private:
  bool is_in_a_step(std::uint64_t time_ns) const;
  double seconds() const;

  std::int64_t num_steps_;
  c10::Device device_;
  std::filesystem::path trace_file_;
  std::int64_t steps_begun_ = 0;
  std::int64_t step_start_ns_ = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> steps_ns_;  ///< begin and end of those profiled
  bool is_running_ = false;
};

}  // namespace cloob
