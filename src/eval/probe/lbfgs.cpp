#include "eval/probe/lbfgs.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace cloob {
namespace {

using Point = Objective::Point;

constexpr std::size_t kHistory = 20;
constexpr double kSufficientDecrease = 1e-4, kCurvature = 0.9;
// Relative differences of values below this are rounding.
constexpr double kRounding = 1e-14;

double dot(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum().item<double>(); }

struct Correction {
  at::Tensor step;
  at::Tensor change;  ///< of the gradient
  double inverse_curvature;
};

// The two-loop recursion.
at::Tensor descent_direction(const Objective& objective, const at::Tensor& gradient,
                             const std::deque<Correction>& history) {
  at::Tensor q = gradient.clone();
  std::vector<double> alphas;
  for (auto past = history.rbegin(); past != history.rend(); ++past) {
    alphas.push_back(past->inverse_curvature * dot(past->step, q));
    q.sub_(past->change, alphas.back());
  }
  at::Tensor direction = objective.precondition(q);
  if (!history.empty()) {
    const Correction& last = history.back();
    direction.mul_(1 / (last.inverse_curvature * dot(last.change, objective.precondition(last.change))));
  }
  for (const Correction& past : history) {
    const double beta = past.inverse_curvature * dot(past.change, direction);
    direction.add_(past.step, alphas.back() - beta);
    alphas.pop_back();
  }
  return direction.neg_();
}

// Unset if no step decreases the value.
std::optional<Point> search(const Objective& objective, const Point& from, const at::Tensor& direction) {
  constexpr int kMaxSteps = 30;
  const double slope = dot(from.gradient, direction);
  if (!(slope < 0)) return std::nullopt;
  double step = 1, low = 0, high = std::numeric_limits<double>::infinity();
  std::optional<Point> best;
  for (int i = 0; i < kMaxSteps; ++i) {
    Point point = objective.evaluate(from.x + direction * step);
    const double slope_there = dot(point.gradient, direction);
    const bool decreases =
        point.value <= from.value + kSufficientDecrease * step * slope + kRounding * std::abs(from.value);
    const bool is_flat = std::abs(slope_there) <= -kCurvature * slope;
    if (point.value < (best ? best->value : from.value)) best = point;
    if (decreases && is_flat) return best;
    if (decreases && slope_there < 0) {
      low = step;
    } else {
      high = step;
    }
    step = std::isfinite(high) ? (low + high) / 2 : 2 * step;
  }
  return best;
}

}  // namespace

Minimum minimize(const Objective& objective, const at::Tensor& start, std::int64_t max_iterations) {
  constexpr int kMaxStagnation = 3;
  Minimum minimum{.point = objective.evaluate(start)};
  std::deque<Correction> history;
  int stagnation = 0;
  while (!objective.is_minimum(minimum.point)) {
    if (minimum.iterations == max_iterations) return minimum;
    const at::Tensor direction = descent_direction(objective, minimum.point.gradient, history);
    auto next = search(objective, minimum.point, direction);
    if (!next) {
      const double expected = std::abs(dot(minimum.point.gradient, direction));
      const double rounding = std::max(objective.rounding, kRounding * std::abs(minimum.point.value));
      minimum.converged = stagnation > 0 || expected <= rounding;
      return minimum;
    }
    ++minimum.iterations;
    const double decrease = minimum.point.value - next->value;
    stagnation = decrease <= kRounding * std::abs(next->value) ? stagnation + 1 : 0;
    const at::Tensor step = next->x - minimum.point.x, change = next->gradient - minimum.point.gradient;
    const double curvature = dot(step, change);
    if (curvature > 0) history.push_back({step, change, 1 / curvature});
    if (history.size() > kHistory) history.pop_front();
    minimum.point = *std::move(next);
    if (stagnation == kMaxStagnation) break;
  }
  minimum.converged = true;
  return minimum;
}

}  // namespace cloob
