#include "cloob/eval/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cloob/base/error.h"
#include "cloob/base/parallel.h"
#include "cloob/base/random.h"

namespace cloob {
namespace {

/// The sums of one group.
struct Sums {
  double numerator = 0;
  double denominator = 0;
};

std::size_t num_groups(const SampleRatios& ratios) {
  return ratios.groups.empty() ? 1 : static_cast<std::size_t>(std::ranges::max(ratios.groups)) + 1;
}

void require_consistent(const SampleRatios& ratios, std::size_t num_samples) {
  const auto is_size = [&](std::size_t size) { return size == 0 || size == num_samples; };
  CLOOB_CHECK(ratios.numerators.size() == num_samples && is_size(ratios.denominators.size()) &&
                  is_size(ratios.groups.size()),
              "{} numerators, {} denominators and {} groups of {} samples", ratios.numerators.size(),
              ratios.denominators.size(), ratios.groups.size(), num_samples);
  CLOOB_CHECK(ratios.groups.empty() || std::ranges::min(ratios.groups) >= 0, "a negative group");
}

// Adds a sample that was drawn `count` times.
void add(std::vector<Sums>& groups, const SampleRatios& ratios, std::size_t sample, double count) {
  Sums& sums = groups[ratios.groups.empty() ? 0 : static_cast<std::size_t>(ratios.groups[sample])];
  sums.numerator += count * static_cast<double>(ratios.numerators[sample]);
  sums.denominator +=
      count * (ratios.denominators.empty() ? 1.0 : static_cast<double>(ratios.denominators[sample]));
}

double mean_ratio(const std::vector<Sums>& groups) {
  double sum = 0;
  std::int64_t occurring = 0;
  for (const Sums& group : groups) {
    if (group.denominator == 0) continue;
    sum += group.numerator / group.denominator;
    ++occurring;
  }
  return occurring == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(occurring);
}

std::vector<std::uint32_t> draw_counts(std::size_t num_samples, std::uint64_t seed, std::uint64_t draw) {
  RandomStream random(RandomUse::resampling, {seed, draw});
  std::vector<std::uint32_t> counts(num_samples);
  for (std::size_t i = 0; i < num_samples; ++i) ++counts[random.below(num_samples)];
  return counts;
}

// As numpy's percentile does by default: linear between the values at whole positions.
double quantile(const std::vector<double>& sorted, double fraction) {
  const double position = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - std::floor(position));
}

}  // namespace

double value_of(const SampleRatios& ratios) {
  require_consistent(ratios, ratios.numerators.size());
  if (ratios.numerators.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::vector<Sums> groups(num_groups(ratios));
  for (std::size_t sample = 0; sample < ratios.numerators.size(); ++sample) add(groups, ratios, sample, 1);
  return mean_ratio(groups);
}

std::vector<Interval> bootstrap_intervals(std::span<const SampleRatios> metrics,
                                          const BootstrapOptions& options) {
  CLOOB_CHECK(options.confidence > 0 && options.confidence < 1, "a confidence of {}", options.confidence);
  if (metrics.empty() || options.draws < 1) return {};
  const std::size_t num_samples = metrics.front().numerators.size();
  for (const SampleRatios& ratios : metrics) require_consistent(ratios, num_samples);
  if (num_samples == 0) return {};
  std::vector<std::vector<double>> values(metrics.size(),
                                          std::vector<double>(static_cast<std::size_t>(options.draws)));
  std::vector<std::size_t> groups_of_metric;
  for (const SampleRatios& ratios : metrics) groups_of_metric.push_back(num_groups(ratios));
  parallel_for(options.draws, resolve_threads(options.threads), [&](std::int64_t draw) {
    const auto number = static_cast<std::uint64_t>(draw);
    const std::vector<std::uint32_t> counts = draw_counts(num_samples, options.seed, number);
    for (std::size_t metric = 0; metric < metrics.size(); ++metric) {
      std::vector<Sums> groups(groups_of_metric[metric]);
      for (std::size_t sample = 0; sample < num_samples; ++sample) {
        if (counts[sample] > 0) add(groups, metrics[metric], sample, counts[sample]);
      }
      values[metric][number] = mean_ratio(groups);
    }
  });
  const double tail = (1 - options.confidence) / 2;
  std::vector<Interval> intervals;
  for (std::vector<double>& of_metric : values) {
    std::ranges::sort(of_metric);
    intervals.push_back({quantile(of_metric, tail), quantile(of_metric, 1 - tail)});
  }
  return intervals;
}

}  // namespace cloob
