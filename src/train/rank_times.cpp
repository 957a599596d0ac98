#include "train/rank_times.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"

namespace cloob {
namespace {

constexpr std::int64_t kMinSteps = 5;  // single steps are slow for many reasons
constexpr double kSlow = 1.5;          // times the median
constexpr std::size_t kMaxListed = 64;

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

void RankTimes::add(double step_seconds, std::span<const double> own_seconds) {
  if (own_seconds.size() < 2) return;
  own_seconds_.resize(own_seconds.size());
  for (std::size_t rank = 0; rank < own_seconds.size(); ++rank) own_seconds_[rank] += own_seconds[rank];
  step_seconds_ += step_seconds;
  slowest_seconds_ += std::min(step_seconds, std::ranges::max(own_seconds));
  ++num_steps_;
}

double RankTimes::communication_share() const {
  CLOOB_CHECK(!empty(), "no step has been added");
  return 1 - slowest_seconds_ / step_seconds_;
}

std::vector<double> RankTimes::means() const {
  CLOOB_CHECK(!empty(), "no step has been added");
  std::vector<double> means;
  for (const double seconds : own_seconds_) means.push_back(seconds / static_cast<double>(num_steps_));
  return means;
}

NamedNumbers RankTimes::metrics() const {
  const std::vector<double> seconds = means();
  const auto slowest = std::ranges::max_element(seconds);
  NamedNumbers metrics = {{"ranks/communication_share", communication_share()},
                          {"ranks/step_time_min", std::ranges::min(seconds)},
                          {"ranks/step_time_median", median(seconds)},
                          {"ranks/step_time_max", *slowest},
                          {"ranks/slowest", static_cast<double>(slowest - seconds.begin())}};
  if (seconds.size() > kMaxListed) return metrics;
  for (std::size_t rank = 0; rank < seconds.size(); ++rank)
    metrics.emplace_back(fmt::format("ranks/step_time/{}", rank), seconds[rank]);
  return metrics;
}

std::optional<std::string> RankTimes::new_straggler() {
  if (num_steps_ < kMinSteps) return std::nullopt;
  const std::vector<double> seconds = means();
  const auto slowest = std::ranges::max_element(seconds);
  std::vector<double> others = seconds;
  others.erase(others.begin() + (slowest - seconds.begin()));
  const double usual = median(others);
  const bool is_slow = *slowest > kSlow * usual;
  const std::int64_t rank = is_slow ? slowest - seconds.begin() : -1;
  if (std::exchange(straggler_, rank) == rank || !is_slow) return std::nullopt;
  return fmt::format(
      "rank {} is slow: it needs {:.2f} s for a step and the others {:.2f} s, for which they wait (the last {} steps)",
      rank, *slowest, usual, num_steps_);
}

void RankTimes::clear() {
  step_seconds_ = slowest_seconds_ = 0;
  own_seconds_.clear();
  num_steps_ = 0;
}

}  // namespace cloob
