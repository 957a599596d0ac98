#include "cloob/cluster/agreement.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "cloob/base/error.h"

namespace cloob {
namespace {

// How many samples each pair of clusters shares, without those that share none.
struct Contingency {
  std::vector<std::int64_t> sizes, other_sizes;
  struct Cell {
    std::size_t cluster, other;
    std::int64_t count;
  };
  std::vector<Cell> cells;
  std::int64_t num_samples = 0;
};

// Numbers from 0 on in place of the labels, and the size of each cluster.
std::vector<std::size_t> number_clusters(const at::Tensor& labels_N, std::vector<std::int64_t>& sizes) {
  const at::Tensor on_host_N = labels_N.cpu().contiguous();
  const std::int64_t* const labels = on_host_N.const_data_ptr<std::int64_t>();
  std::vector<std::int64_t> different(labels, labels + on_host_N.numel());
  std::ranges::sort(different);
  different.erase(std::ranges::unique(different).begin(), different.end());
  sizes.assign(different.size(), 0);
  std::vector<std::size_t> numbers;
  for (std::int64_t i = 0; i < on_host_N.numel(); ++i) {
    numbers.push_back(
        static_cast<std::size_t>(std::ranges::lower_bound(different, labels[i]) - different.begin()));
    ++sizes[numbers.back()];
  }
  return numbers;
}

Contingency contingency_of(const at::Tensor& labels_N, const at::Tensor& other_N) {
  CLOOB_CHECK(labels_N.dim() == 1 && labels_N.sizes() == other_N.sizes() &&
                  labels_N.scalar_type() == at::kLong && other_N.scalar_type() == at::kLong,
              "labels that are not integers of the same samples");
  Contingency table;
  table.num_samples = labels_N.numel();
  const std::vector<std::size_t> clusters = number_clusters(labels_N, table.sizes);
  const std::vector<std::size_t> others = number_clusters(other_N, table.other_sizes);
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t i = 0; i < clusters.size(); ++i) pairs.emplace_back(clusters[i], others[i]);
  std::ranges::sort(pairs);
  for (const auto& [cluster, other] : pairs) {
    if (table.cells.empty() || table.cells.back().cluster != cluster || table.cells.back().other != other)
      table.cells.push_back({cluster, other, 0});
    ++table.cells.back().count;
  }
  return table;
}

double sum_of_squares(const std::vector<std::int64_t>& sizes) {
  double sum = 0;
  for (const std::int64_t size : sizes) sum += std::pow(static_cast<double>(size), 2);
  return sum;
}

double entropy(const std::vector<std::int64_t>& sizes, std::int64_t num_samples) {
  double sum = 0;
  for (const std::int64_t size : sizes) {
    const double share = static_cast<double>(size) / static_cast<double>(num_samples);
    sum -= share * std::log(share);
  }
  return sum;
}

double mutual_information(const Contingency& table) {
  const auto num_samples = static_cast<double>(table.num_samples);
  double sum = 0;
  for (const auto& [cluster, other, count] : table.cells) {
    const auto shared = static_cast<double>(count);
    const double by_chance = static_cast<double>(table.sizes[cluster]) / num_samples *
                             static_cast<double>(table.other_sizes[other]);
    sum += shared / num_samples * std::log(shared / by_chance);
  }
  return std::max(0.0, sum);
}

// log(0!), ..., log(count!).
std::vector<double> log_factorials(std::int64_t count) {
  std::vector<double> logs = {0};
  for (std::int64_t i = 1; i <= count; ++i) logs.push_back(std::lgamma(static_cast<double>(i) + 1));
  return logs;
}

std::map<std::int64_t, std::int64_t> count_equal(const std::vector<std::int64_t>& sizes) {
  std::map<std::int64_t, std::int64_t> counts;
  for (const std::int64_t size : sizes) ++counts[size];
  return counts;
}

// The expected part of two clusters of these sizes, whose samples are drawn at random: the number that they share is
// hypergeometric.
double expected_part(std::int64_t size, std::int64_t other, std::int64_t num_samples,
                     const std::vector<double>& log_factorial) {
  const auto factorial = [&](std::int64_t n) { return log_factorial[static_cast<std::size_t>(n)]; };
  const double whole = factorial(size) + factorial(other) + factorial(num_samples - size) +
                       factorial(num_samples - other) - factorial(num_samples);
  const auto all = static_cast<double>(num_samples);
  const double by_chance = static_cast<double>(size) / all * static_cast<double>(other);
  double sum = 0;
  const std::int64_t least = std::max<std::int64_t>(1, size + other - num_samples);
  for (std::int64_t shared = least; shared <= std::min(size, other); ++shared) {
    const double log_probability = whole - factorial(shared) - factorial(size - shared) -
                                   factorial(other - shared) - factorial(num_samples - size - other + shared);
    sum += static_cast<double>(shared) / all * std::log(static_cast<double>(shared) / by_chance) *
           std::exp(log_probability);
  }
  return sum;
}

double expected_mutual_information(const Contingency& table) {
  const std::vector<double> log_factorial = log_factorials(table.num_samples);
  const auto others = count_equal(table.other_sizes);
  double sum = 0;
  for (const auto& [size, count] : count_equal(table.sizes)) {
    for (const auto& [other, other_count] : others) {
      sum += static_cast<double>(count) * static_cast<double>(other_count) *
             expected_part(size, other, table.num_samples, log_factorial);
    }
  }
  return sum;
}

// Where both are zero but for rounding, their quotient is 1.
double away_from_zero(double number) {
  constexpr double kSmallest = std::numeric_limits<double>::epsilon();
  return number < 0 ? std::min(number, -kSmallest) : std::max(number, kSmallest);
}

}  // namespace

double adjusted_rand_index(const at::Tensor& labels_N, const at::Tensor& other_N) {
  const Contingency table = contingency_of(labels_N, other_N);
  const auto num_samples = static_cast<double>(table.num_samples);
  double together_in_both = -num_samples;  // ordered pairs
  for (const auto& cell : table.cells) together_in_both += std::pow(static_cast<double>(cell.count), 2);
  const double only_here = sum_of_squares(table.sizes) - num_samples - together_in_both;
  const double only_there = sum_of_squares(table.other_sizes) - num_samples - together_in_both;
  const double apart_in_both = num_samples * (num_samples - 1) - together_in_both - only_here - only_there;
  if (only_here == 0 && only_there == 0) return 1;
  return 2 * (together_in_both * apart_in_both - only_here * only_there) /
         ((together_in_both + only_here) * (only_here + apart_in_both) +
          (together_in_both + only_there) * (only_there + apart_in_both));
}

double adjusted_mutual_information(const at::Tensor& labels_N, const at::Tensor& other_N) {
  const Contingency table = contingency_of(labels_N, other_N);
  const bool is_whole = table.sizes.size() <= 1, is_other_whole = table.other_sizes.size() <= 1;
  if (is_whole || is_other_whole) return is_whole && is_other_whole ? 1 : 0;
  const double expected = expected_mutual_information(table);
  const double largest =
      (entropy(table.sizes, table.num_samples) + entropy(table.other_sizes, table.num_samples)) / 2;
  return away_from_zero(mutual_information(table) - expected) / away_from_zero(largest - expected);
}

}  // namespace cloob
