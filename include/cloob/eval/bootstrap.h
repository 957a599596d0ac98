// Confidence intervals of metrics, from the samples that they were measured on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cloob {

struct BootstrapOptions {
  std::int64_t draws = 1000;
  double confidence = 0.95;
  std::uint64_t seed = 0;
  std::int64_t threads = 0;  ///< 0: all processors; does not change the result
};

/// A metric of N samples: the mean, over the groups that have samples, of the sum of numerators divided by the sum of
/// denominators. With one group and denominators of 1 this is the mean; with a group for each class the mean recall of the
/// classes; with images as samples and numbers of captions as denominators a mean over captions.
struct SampleRatios {
  std::vector<float> numerators;
  std::vector<float> denominators = {};   ///< empty: 1
  std::vector<std::int32_t> groups = {};  ///< from 0; empty: a single one
};

struct Interval {
  double low = 0;
  double high = 0;
};

/// The metric of all samples. NaN without samples.
double value_of(const SampleRatios& ratios);

/// Percentile bootstrap intervals (Efron 1979) of metrics of the same samples: each draw takes as many samples, with
/// replacement, and the interval leaves out the same fraction of draws at both ends. Draws are seeded one by one, and only
/// their metrics are kept. No draws, or no samples, give no intervals.
std::vector<Interval> bootstrap_intervals(std::span<const SampleRatios> metrics,
                                          const BootstrapOptions& options);

}  // namespace cloob
