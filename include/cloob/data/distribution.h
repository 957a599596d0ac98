#pragma once

#include <cstdint>
#include <map>

namespace cloob {

/// How often which numbers occurred, in little memory: whole numbers up to 1,024 as they are, others to ten
/// binary digits (0.1 %).
///
/// What it says does not depend on the order in which numbers were added or distributions merged.
class Distribution {
 public:
  /// Needs a finite value.
  void add(double value);
  void merge(const Distribution& other);

  std::int64_t count() const { return count_; }
  /// The smallest and the largest number, exactly. Like the mean and all quantiles they need count() > 0.
  double min() const { return min_; }
  double max() const { return max_; }
  /// Up to the rounding.
  double mean() const;
  /// The number that a `share` (0 to 1) of all numbers does not exceed, up to the rounding.
  double quantile(double share) const;
  /// Rounded number -> how often.
  const std::map<double, std::int64_t>& counts() const { return counts_; }

 private:
  std::map<double, std::int64_t> counts_;
  std::int64_t count_ = 0;
  double min_ = 0;
  double max_ = 0;
};

}  // namespace cloob
