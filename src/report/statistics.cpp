#include "cloob/report/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cloob/base/error.h"

namespace cloob {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// Of the values behind a difference, a few each by their own computation.
constexpr double kRoundings = 8;

// The continued fraction of the incomplete beta function by Lentz's method (DLMF 8.17.22). It converges quickly for
// x < (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
  constexpr int kMaxTerms = 10'000;
  constexpr double kTiny = 1e-300, kPrecision = 1e-16;
  const auto away_from_zero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m <= kMaxTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double change = 1;
    for (const double coefficient : {even, odd}) {
      d = 1 / away_from_zero(1 + coefficient * d);
      c = away_from_zero(1 + coefficient / c);
      change = c * d;
      fraction *= change;
    }
    if (std::abs(change - 1) <= kPrecision) break;
  }
  return fraction;
}

bool are_equal_up_to_rounding(std::span<const double> values) {
  const auto [low, high] = std::ranges::minmax(values);
  return high - low <= 1e-12 * std::max(std::abs(low), std::abs(high));
}

}  // namespace

Summary summarize(std::span<const double> values) {
  Summary summary{.count = std::ssize(values), .mean = kNaN, .deviation = kNaN, .min = kNaN, .max = kNaN};
  if (values.empty()) return summary;
  const auto count = static_cast<double>(values.size());
  summary.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  summary.min = *std::ranges::min_element(values);
  summary.max = *std::ranges::max_element(values);
  if (values.size() < 2) return summary;
  if (are_equal_up_to_rounding(values)) {
    summary.deviation = 0;
    return summary;
  }
  double squares = 0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  summary.deviation = std::sqrt(squares / (count - 1));
  return summary;
}

double incomplete_beta(double a, double b, double x) {
  CLOOB_CHECK(a > 0 && b > 0 && x >= 0 && x <= 1, "I_{}({}, {})", x, a, b);
  if (x == 0 || x == 1) return x;
  const double log_factor =
      std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x);
  const double factor = std::exp(log_factor);
  return x < (a + 1) / (a + b + 2) ? factor * beta_fraction(a, b, x) / a
                                   : 1 - factor * beta_fraction(b, a, 1 - x) / b;
}

double student_t_p(double t, double freedom) {
  return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
}

double student_t_critical(double p, double freedom) {
  CLOOB_CHECK(p > 0 && p < 1, "p = {}", p);
  double low = 0, high = 1;
  while (student_t_p(high, freedom) > p) high *= 2;
  for (int step = 0; step < 200 && high - low > 1e-15 * high; ++step) {
    const double middle = (low + high) / 2;
    (student_t_p(middle, freedom) > p ? low : high) = middle;
  }
  return (low + high) / 2;
}

double sign_test_p(std::int64_t wins, std::int64_t losses) {
  const auto count = static_cast<double>(wins + losses);
  double tail = 0;
  for (std::int64_t k = 0; k <= std::min(wins, losses); ++k) {
    const auto number = static_cast<double>(k);
    tail += std::exp(std::lgamma(count + 1) - std::lgamma(number + 1) - std::lgamma(count - number + 1) -
                     count * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

double min_sign_test_p(std::int64_t count) { return sign_test_p(count, 0); }

PairedTest paired_test(std::span<const double> differences_of_values, double scale) {
  const double rounding = kRoundings * std::numeric_limits<double>::epsilon() * std::abs(scale);
  const auto is_rounding = [rounding](double value) { return std::abs(value) <= rounding; };
  std::vector<double> differences(differences_of_values.begin(), differences_of_values.end());
  std::ranges::replace_if(differences, is_rounding, 0.0);
  Summary summary = summarize(differences);
  if (is_rounding(summary.mean)) summary.mean = 0;
  if (is_rounding(summary.max - summary.min)) summary.deviation = differences.size() < 2 ? kNaN : 0;
  PairedTest test{.count = summary.count,
                  .mean = summary.mean,
                  .deviation = summary.deviation,
                  .low = kNaN,
                  .high = kNaN,
                  .t = kNaN,
                  .p = kNaN,
                  .num_positive = std::ranges::count_if(differences, [](double d) { return d > 0; }),
                  .num_negative = std::ranges::count_if(differences, [](double d) { return d < 0; }),
                  .sign_p = kNaN};
  if (differences.empty()) return test;
  test.sign_p = sign_test_p(test.num_positive, test.num_negative);
  if (test.count < 2 || test.deviation == 0) return test;
  const auto count = static_cast<double>(test.count);
  const double error = test.deviation / std::sqrt(count);
  const double reach = student_t_critical(0.05, count - 1) * error;
  test.low = test.mean - reach;
  test.high = test.mean + reach;
  test.t = test.mean / error;
  test.p = student_t_p(test.t, count - 1);
  return test;
}

std::vector<double> holm_adjusted(std::span<const double> p_values) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p_values.size(); ++i) {
    if (!std::isnan(p_values[i])) order.push_back(i);
  }
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return p_values[i]; });
  std::vector<double> adjusted(p_values.begin(), p_values.end());
  double largest = 0;
  for (std::size_t place = 0; place < order.size(); ++place) {
    const auto remaining = static_cast<double>(order.size() - place);
    largest = std::max(largest, std::min(1.0, remaining * p_values[order[place]]));
    adjusted[order[place]] = largest;
  }
  return adjusted;
}

}  // namespace cloob
