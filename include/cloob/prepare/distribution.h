#pragma once

#include <cstdint>
#include <map>

namespace cloob {

/// A histogram in little memory: integers up to 1,024 are exact, other numbers are rounded to ten binary
/// digits (0.1 %).
///
/// The result does not depend on the order in which numbers were added or distributions merged.
class Distribution {
 public:
  /// Needs a finite value.
  void add(double value);
  void merge(const Distribution& other);

  std::int64_t count() const { return count_; }
  /// The exact minimum and maximum. Like the mean and all quantiles, they need count() > 0.
  double min() const { return min_; }
  double max() const { return max_; }
  /// Up to rounding.
  double mean() const;
  /// The number that a `fraction` (0 to 1) of all numbers does not exceed, up to rounding.
  double quantile(double fraction) const;
  /// Rounded number -> number of occurrences.
  const std::map<double, std::int64_t>& counts() const { return counts_; }

 private:
  std::map<double, std::int64_t> counts_;
  std::int64_t count_ = 0;
  double min_ = 0;
  double max_ = 0;
};

}  // namespace cloob
