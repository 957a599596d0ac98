#include "cloob/data/order/permutation.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "cloob/base/random.h"
#include "support/support.h"

namespace cloob {
namespace {

// Sum of (observed - expected)^2 / expected; for k cells and many draws about k - 1, with standard deviation
// sqrt(2(k-1)).
double chi_square(const std::vector<std::int64_t>& counts) {
  double total = 0;
  for (const std::int64_t count : counts) total += static_cast<double>(count);
  const double expected = total / static_cast<double>(counts.size());
  double sum = 0;
  for (const std::int64_t count : counts) {
    sum += std::pow(static_cast<double>(count) - expected, 2) / expected;
  }
  return sum;
}

void expect_uniform(const std::vector<std::int64_t>& counts, const std::string& name) {
  const double freedom = static_cast<double>(counts.size()) - 1;
  EXPECT_NEAR(chi_square(counts), freedom, 4.5 * std::sqrt(2 * freedom)) << name;
}

std::vector<std::int64_t> order_of(std::uint64_t key, std::int64_t size) {
  const Permutation permutation(mix_bits({key}), size);
  std::vector<std::int64_t> order;
  for (std::int64_t place = 0; place < size; ++place) order.push_back(permutation(place));
  return order;
}

TEST(Permutation, ContainsEveryElementOnce) {
  for (const std::int64_t size : {1, 2, 3, 7, 64, 100, 1023, 1024, 1025, 5000}) {
    const Permutation permutation(mix_bits({static_cast<std::uint64_t>(size)}), size);
    std::set<std::int64_t> seen;
    for (std::int64_t place = 0; place < size; ++place) {
      const std::int64_t value = permutation(place);
      ASSERT_GE(value, 0);
      ASSERT_LT(value, size);
      seen.insert(value);
    }
    EXPECT_EQ(static_cast<std::int64_t>(seen.size()), size);
  }
}

TEST(Permutation, WorksForVeryLargeSizes) {
  const std::int64_t size = std::int64_t{1} << 40;
  const Permutation permutation(1, size);
  std::set<std::int64_t> seen;
  std::vector<std::int64_t> sixteenths(16);
  for (std::int64_t place = 0; place < 20000; ++place) {
    const std::int64_t value = permutation(place);
    seen.insert(value);
    ++sixteenths.at(static_cast<std::size_t>(value * 16 / size));
  }
  EXPECT_EQ(seen.size(), 20000u);
  expect_uniform(sixteenths, "sixteenths of the range");
}

TEST(Permutation, ReachesAllOrdersOfASmallSetEquallyOften) {
  std::vector<std::int64_t> counts(120);
  for (std::uint64_t key = 0; key < 12000; ++key) {
    const auto order = order_of(key, 5);
    std::size_t rank = 0;  // of the order among all 120
    for (std::size_t i = 0; i < 5; ++i) {
      const auto smaller = std::count_if(order.begin() + static_cast<std::ptrdiff_t>(i), order.end(),
                                         [&](std::int64_t later) { return later < order[i]; });
      rank = rank * (5 - i) + static_cast<std::size_t>(smaller);
    }
    ++counts[rank];
  }
  expect_uniform(counts, "orders");
}

TEST(Permutation, PlacesEveryElementUniformly) {
  constexpr std::int64_t kSize = 37;
  std::vector<std::int64_t> cells(kSize * kSize), neighbors(kSize - 1);
  for (std::uint64_t key = 0; key < 4000; ++key) {
    const auto order = order_of(key, kSize);
    for (std::size_t place = 0; place < order.size(); ++place) {
      ++cells[place * kSize + static_cast<std::size_t>(order[place])];
      if (place == 0) continue;
      const std::int64_t step = (order[place] - order[place - 1] + kSize) % kSize;
      ++neighbors[static_cast<std::size_t>(step - 1)];
    }
  }
  // Row and column sums are fixed, so (37 - 1)^2 of the cells are free.
  const double freedom = 36.0 * 36.0;
  EXPECT_NEAR(chi_square(cells), freedom, 4.5 * std::sqrt(2 * freedom));
  expect_uniform(neighbors, "steps between neighbors");
}

TEST(Permutation, HasFixedPointsInversionsAndRunsOfRandomPermutations) {
  constexpr std::int64_t kSize = 300, kKeys = 1000;
  double fixed_points = 0, inversions = 0, rises = 0;
  for (std::uint64_t key = 0; key < kKeys; ++key) {
    const auto order = order_of(key, kSize);
    for (std::size_t i = 0; i < order.size(); ++i) {
      fixed_points += order[i] == static_cast<std::int64_t>(i) ? 1 : 0;
      rises += i > 0 && order[i] > order[i - 1] ? 1 : 0;
      for (std::size_t j = i + 1; j < order.size(); ++j) inversions += order[j] < order[i] ? 1 : 0;
    }
  }
  // Mean +- standard deviation of one random permutation: 1 +- 1, (n-1)/2 +- sqrt((n+1)/12), n(n-1)/4 +-
  // sqrt(n^3/36).
  const double n = kSize, root_keys = std::sqrt(static_cast<double>(kKeys));
  EXPECT_NEAR(fixed_points / kKeys, 1, 4.5 / root_keys);
  EXPECT_NEAR(rises / kKeys, (n - 1) / 2, 4.5 * std::sqrt((n + 1) / 12) / root_keys);
  EXPECT_NEAR(inversions / kKeys, n * (n - 1) / 4, 4.5 * std::sqrt(n * n * n / 36) / root_keys);
}

}  // namespace
}  // namespace cloob
