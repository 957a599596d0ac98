#include "train/step_profile.h"

#include <ATen/record_function.h>
#include <c10/util/ApproximateClock.h>
#include <fmt/core.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "cloob/base/log.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

using torch::autograd::profiler::KinetoEvent;
using torch::autograd::profiler::ProfilerResult;
using torch::profiler::impl::ActivityType;

constexpr std::int64_t kWarmUpSteps = 3;
constexpr std::size_t kMaxOperators = 15;

torch::profiler::impl::ProfilerConfig profiler_config() {
  return torch::profiler::impl::ProfilerConfig(torch::profiler::impl::ProfilerState::KINETO);
}

std::set<ActivityType> activities_of(c10::Device device) {
  std::set<ActivityType> activities = {ActivityType::CPU};
  if (device.is_cuda()) activities.insert(ActivityType::CUDA);
  return activities;
}

ProfiledEvent event_of(const KinetoEvent& event) {
  return {.name = event.name(),
          .thread = event.startThreadId(),
          .start_ns = event.startNs(),
          .end_ns = event.endNs(),
          .is_stage = event.scope() == static_cast<std::uint8_t>(at::RecordScope::USER_SCOPE),
          .is_on_device = event.deviceType() != c10::DeviceType::CPU};
}

struct Total {
  double seconds = 0;
  std::int64_t calls = 0;
};

double seconds_between(std::uint64_t start_ns, std::uint64_t end_ns) {
  return end_ns > start_ns ? static_cast<double>(end_ns - start_ns) * 1e-9 : 0;
}

/// The self time of each operator, without the operators that it called.
std::map<std::string, Total> self_times(std::vector<ProfiledEvent> events) {
  std::ranges::stable_sort(events, [](const ProfiledEvent& a, const ProfiledEvent& b) {
    return std::tuple(a.is_on_device, a.thread, a.start_ns, ~a.end_ns) <
           std::tuple(b.is_on_device, b.thread, b.start_ns, ~b.end_ns);
  });
  std::map<std::string, Total> totals;
  std::vector<const ProfiledEvent*> open;  // each nested in the previous one
  for (const ProfiledEvent& event : events) {
    const auto is_outside = [&event](const ProfiledEvent& other) {
      return other.is_on_device != event.is_on_device || other.thread != event.thread ||
             other.end_ns <= event.start_ns;
    };
    while (!open.empty() && is_outside(*open.back())) open.pop_back();
    const double seconds = seconds_between(event.start_ns, event.end_ns);
    if (!open.empty() && !open.back()->is_stage) totals[open.back()->name].seconds -= seconds;
    if (!event.is_stage) {
      totals[event.name].seconds += seconds;
      ++totals[event.name].calls;
    }
    open.push_back(&event);
  }
  return totals;
}

/// In the order of the stages' first occurrence.
std::vector<std::pair<std::string, Total>> stage_times(const std::vector<ProfiledEvent>& events) {
  std::vector<ProfiledEvent> stages;
  std::ranges::copy_if(events, std::back_inserter(stages),
                       [](const ProfiledEvent& event) { return event.is_stage && !event.is_on_device; });
  std::ranges::stable_sort(stages, {}, &ProfiledEvent::start_ns);
  std::vector<std::pair<std::string, Total>> totals;
  for (const ProfiledEvent& event : stages) {
    auto at = std::ranges::find(totals, event.name, [](const auto& total) { return total.first; });
    if (at == totals.end()) at = totals.insert(totals.end(), {event.name, {}});
    at->second.seconds += seconds_between(event.start_ns, event.end_ns);
    ++at->second.calls;
  }
  return totals;
}

}  // namespace

std::string describe_profile(const std::vector<ProfiledEvent>& events, std::int64_t num_steps,
                             double seconds) {
  const auto steps = static_cast<double>(num_steps);
  const auto row = [&](const std::string& name, const Total& total) {
    return fmt::format("{:<40} {:>10.2f} {:>7.1f} {:>8.1f}\n", name, 1e3 * total.seconds / steps,
                       seconds > 0 ? 100 * total.seconds / seconds : 0.0,
                       static_cast<double>(total.calls) / steps);
  };
  const auto header = [](const char* first) {
    return fmt::format("{:<40} {:>10} {:>7} {:>8}\n", first, "ms per step", "%", "calls");
  };
  std::string text = header("stage");
  Total rest{.seconds = seconds, .calls = num_steps};
  for (const auto& [name, total] : stage_times(events)) {
    text += row(name, total);
    rest.seconds -= total.seconds;
  }
  text += row("between stages", rest) + row("whole step", {.seconds = seconds, .calls = num_steps});

  const std::map<std::string, Total> times = self_times(events);
  std::vector<std::pair<std::string, Total>> operators(times.begin(), times.end());
  std::ranges::stable_sort(operators, std::ranges::greater(),
                           [](const auto& item) { return item.second.seconds; });
  if (operators.size() > kMaxOperators) operators.resize(kMaxOperators);
  text += fmt::format("\n{}", header("operator (self time)"));
  for (const auto& [name, total] : operators) text += row(name.substr(0, 40), total);
  return text;
}

StepProfile::StepProfile(std::int64_t num_steps, c10::Device device, std::filesystem::path trace_file)
    : num_steps_(num_steps), device_(device), trace_file_(std::move(trace_file)) {}

StepProfile::~StepProfile() {
  if (is_running_) torch::autograd::profiler::disableProfiler();
}

void StepProfile::begin_step() {
  if (steps_begun_++ == kWarmUpSteps) {
    // Otherwise Kineto logs its start and stop, and a missing GPU.
    ::setenv("KINETO_LOG_LEVEL", "99", /*overwrite=*/0);
    torch::autograd::profiler::prepareProfiler(profiler_config(), activities_of(device_));
    torch::autograd::profiler::enableProfiler(
        profiler_config(), activities_of(device_),
        {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION, at::RecordScope::USER_SCOPE});
    is_running_ = true;
  }
  step_start_ns_ = c10::getTime();
}

void StepProfile::end_step() {
  if (!is_running_) return;
  steps_ns_.emplace_back(step_start_ns_, c10::getTime());
  if (std::ssize(steps_ns_) == num_steps_) finish();
}

double StepProfile::seconds() const {
  double sum = 0;
  for (const auto& [begin_ns, end_ns] : steps_ns_) sum += static_cast<double>(end_ns - begin_ns) * 1e-9;
  return sum;
}

// Evaluations and checkpoints happen between steps.
bool StepProfile::is_within_a_step(std::uint64_t time_ns) const {
  const auto time = static_cast<std::int64_t>(time_ns);
  return std::ranges::any_of(steps_ns_,
                             [&](const auto& step) { return step.first <= time && time < step.second; });
}

void StepProfile::finish() {
  if (is_finished()) return;
  std::unique_ptr<ProfilerResult> result;
  if (std::exchange(is_running_, false)) result = torch::autograd::profiler::disableProfiler();
  if (steps_ns_.empty()) {
    log_warning("profile", "the run ended before a step was profiled: the first {} steps are not profiled",
                kWarmUpSteps);
    return;
  }
  std::vector<ProfiledEvent> events;
  for (const KinetoEvent& event : result->events()) {
    if (is_within_a_step(event.startNs())) events.push_back(event_of(event));
  }
  fmt::print("{}", describe_profile(events, std::ssize(steps_ns_), seconds()));
  if (device_.is_cuda())
    fmt::print(
        "Stage times are CPU times: the CPU launches the GPU's work and waits for it at the end of a step.\n");
  std::fflush(stdout);
  result->save(trace_file_.string());
  // The profiler does not report a file that it could not write. That must not end the run.
  std::error_code error;
  if (const auto size = std::filesystem::file_size(trace_file_, error); error || size == 0)
    return log_warning("profile", "the trace '{}' could not be written", trace_file_.string());
  log_info("profile", "{} steps; the trace is {}, for ui.perfetto.dev or chrome://tracing",
           with_thousands(std::ssize(steps_ns_)), trace_file_.string());
}

}  // namespace cloob
