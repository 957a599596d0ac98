#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace cloob {

/// A function to minimize, of a tensor in fp64.
struct Objective {
  struct Point {
    at::Tensor x;
    double value = 0;
    at::Tensor gradient;
  };
  std::function<Point(const at::Tensor& x)> evaluate;
  /// Multiplies by an estimate of the inverse Hessian.
  std::function<at::Tensor(const at::Tensor& gradient)> precondition;
  std::function<bool(const Point& point)> is_minimum;
  double rounding = 0;  ///< of values, if it can be more than 1e-14 of them, as where terms cancel
};

struct Minimum {
  Objective::Point point;
  std::int64_t iterations = 0;
  bool converged = false;
};

/// L-BFGS with a line search for the strong Wolfe conditions (Nocedal & Wright 2006, algorithms 7.5 and 3.5). Ends at a minimum,
/// after `max_iterations`, or where no decrease is found, which counts as converged if only rounding is left to be decreased.
Minimum minimize(const Objective& objective, const at::Tensor& start, std::int64_t max_iterations);

}  // namespace cloob
