#include "cloob/device/autocast.h"

#include <ATen/ATen.h>

#include "support/support.h"

namespace cloob {
namespace {

at::ScalarType product_dtype() { return at::matmul(at::ones({2, 2}), at::ones({2, 2})).scalar_type(); }

TEST(Autocast, SetsTheDtypeOfMatrixProductsInItsScope) {
  EXPECT_EQ(product_dtype(), at::kFloat);
  {
    const Autocast outer(at::kCPU, Precision::bf16);
    EXPECT_EQ(product_dtype(), at::kBFloat16);
    {
      const Autocast inner(at::kCPU, Precision::fp32);
      EXPECT_EQ(product_dtype(), at::kFloat);
    }
    {
      const Autocast inner(at::kCPU, Precision::fp16);
      EXPECT_EQ(product_dtype(), at::kHalf);
    }
    EXPECT_EQ(product_dtype(), at::kBFloat16);
  }
  EXPECT_EQ(product_dtype(), at::kFloat);
}

TEST(Autocast, ClearsTheCacheOfCastWeightsAtItsEnd) {
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
