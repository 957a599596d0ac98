#include "cloob/nn/activation.h"

#include <ATen/ATen.h>

#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

TEST(Activation, MatchesItsFormula) {
  const at::Tensor x = at::linspace(-6, 6, 49, at::kDouble);
  testing::expect_close(activate(x, Activation::gelu), x * (1 + at::erf(x / std::sqrt(2.0))) / 2, 1e-12,
                        1e-14);
  testing::expect_close(activate(x, Activation::quick_gelu), x * at::sigmoid(1.702 * x), 1e-12, 1e-14);
}

TEST(Activation, QuickGeluGradientMatchesItsFormula) {
  const at::Tensor x = at::linspace(-6, 6, 49, at::kDouble).requires_grad_();
  activate(x, Activation::quick_gelu).sum().backward();
  const at::Tensor gate = at::sigmoid(1.702 * x.detach());
  testing::expect_close(x.grad(), gate + 1.702 * x.detach() * gate * (1 - gate), 1e-10, 1e-12);
}

}  // namespace
}  // namespace cloob
