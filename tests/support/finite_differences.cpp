#include "support/finite_differences.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

namespace cloob::testing {

void expect_gradient_matches_differences(const std::function<at::Tensor()>& loss, const at::Tensor& leaf,
                                         double tolerance) {
  ASSERT_EQ(leaf.scalar_type(), at::kDouble);
  ASSERT_TRUE(leaf.is_contiguous());
  leaf.mutable_grad().reset();
  loss().backward();
  ASSERT_TRUE(leaf.grad().defined());
  const at::Tensor gradient = leaf.grad().clone();

  const at::NoGradGuard no_grad;
  const at::Tensor differences = at::empty_like(leaf);
  constexpr double kStep = 1e-6;
  for (std::int64_t i = 0; i < leaf.numel(); ++i) {
    double& value = leaf.data_ptr<double>()[i];
    const double original = value;
    value = original + kStep;
    const double above = loss().item<double>();
    value = original - kStep;
    const double below = loss().item<double>();
    value = original;
    differences.data_ptr<double>()[i] = (above - below) / (2 * kStep);
  }
  const double error = (gradient - differences).norm().item<double>();
  EXPECT_LE(error, tolerance * (1 + differences.norm().item<double>()));
}

}  // namespace cloob::testing
