// Statistics of runs that differ in one thing and share everything else, such as the seed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cloob {

/// Mean and sample standard deviation (n - 1). Of no values all is NaN, of one the deviation.
struct Summary {
  std::int64_t count = 0;
  double mean = 0;
  double deviation = 0;
  double min = 0, max = 0;
};
Summary summarize(std::span<const double> values);

/// The regularized incomplete beta function I_x(a, b), a and b > 0, x in [0, 1].
double incomplete_beta(double a, double b, double x);

/// Probability that |T| >= |t| for Student's t with `freedom` > 0 degrees of freedom.
double student_t_p(double t, double freedom);

/// The t with P(|T| >= t) = `p`, p in (0, 1).
double student_t_critical(double p, double freedom);

/// The exact two-sided sign test: the probability that of `wins` + `losses` tosses of a fair coin the rarer side comes up
/// at most min(wins, losses) times, doubled, at most 1. Ties are left out beforehand. 1 without any toss.
double sign_test_p(std::int64_t wins, std::int64_t losses);

/// The smallest p that a sign test of so many pairs can give.
double min_sign_test_p(std::int64_t count);

/// The paired t-test of differences against zero, and the sign test. NaN where there is nothing to compute: everything
/// without differences, t, p and interval for a single one or if all are equal up to rounding. `scale` is the largest
/// magnitude of the values that were subtracted: differences carry the rounding of those, and what is no larger is none.
struct PairedTest {
  std::int64_t count = 0;
  double mean = 0, deviation = 0;
  double low = 0, high = 0;  ///< 95 % confidence interval of the mean
  double t = 0, p = 0;       ///< two-sided
  std::int64_t num_positive = 0, num_negative = 0;
  double sign_p = 0;
};
PairedTest paired_test(std::span<const double> differences, double scale);

/// Holm's step-down correction: adjusted p values in the same order. NaN stays NaN and does not count as a comparison.
std::vector<double> holm_adjusted(std::span<const double> p_values);

}  // namespace cloob
