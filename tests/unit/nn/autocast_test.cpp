#include "cloob/nn/autocast.h"

#include <ATen/ATen.h>

#include "support/support.h"

namespace cloob {
namespace {

at::ScalarType type_of_products() { return at::matmul(at::ones({2, 2}), at::ones({2, 2})).scalar_type(); }

TEST(Autocast, SetsTheTypeOfMatrixProductsWhileItLives) {
  EXPECT_EQ(type_of_products(), at::kFloat);
  {
    const Autocast outer(at::kCPU, Precision::bf16);
    EXPECT_EQ(type_of_products(), at::kBFloat16);
    {
      const Autocast inner(at::kCPU, Precision::fp32);
      EXPECT_EQ(type_of_products(), at::kFloat);
    }
    {
      const Autocast inner(at::kCPU, Precision::fp16);
      EXPECT_EQ(type_of_products(), at::kHalf);
    }
    EXPECT_EQ(type_of_products(), at::kBFloat16);
  }
  EXPECT_EQ(type_of_products(), at::kFloat);
}

TEST(Autocast, ForgetsCastWeightsAtItsEnd) {
  const at::Tensor weight = at::ones({2, 2}).requires_grad_();
  const auto product = [&] {
    const Autocast autocast(at::kCPU, Precision::bf16);
    return at::matmul(at::ones({2, 2}), weight)[0][0].item<double>();
  };
  EXPECT_EQ(product(), 2);
  weight.data().fill_(3);
  EXPECT_EQ(product(), 6);
}

}  // namespace
}  // namespace cloob
