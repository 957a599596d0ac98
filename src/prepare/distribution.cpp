#include "cloob/prepare/distribution.h"

#include <algorithm>
#include <cmath>

#include "cloob/base/error.h"

namespace cloob {
namespace {

double rounded(double value) {
  constexpr double kSteps = 1024;
  int exponent = 0;
  const double mantissa = std::frexp(value, &exponent);
  return std::ldexp(std::round(mantissa * kSteps) / kSteps, exponent);
}

}  // namespace

void Distribution::add(double value) {
  CLOOB_CHECK(std::isfinite(value), "{} in a distribution", value);
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  ++counts_[rounded(value)];
  ++count_;
}

void Distribution::merge(const Distribution& other) {
  if (other.count_ == 0) return;
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
  count_ += other.count_;
  for (const auto& [value, occurrences] : other.counts_) counts_[value] += occurrences;
}

double Distribution::mean() const {
  CLOOB_CHECK(count_ > 0, "the mean of nothing");
  double sum = 0;
  for (const auto& [value, occurrences] : counts_) sum += value * static_cast<double>(occurrences);
  return std::clamp(sum / static_cast<double>(count_), min_, max_);
}

double Distribution::quantile(double fraction) const {
  CLOOB_CHECK(count_ > 0, "a quantile of nothing");
  const double wanted = fraction * static_cast<double>(count_);
  std::int64_t seen = 0;
  for (const auto& [value, occurrences] : counts_) {
    seen += occurrences;
    if (static_cast<double>(seen) >= wanted) return std::clamp(value, min_, max_);
  }
  return max_;
}

}  // namespace cloob
