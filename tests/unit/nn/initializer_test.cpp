#include "cloob/nn/initializer.h"

#include <ATen/ATen.h>

#include "support/support.h"

namespace cloob {
namespace {

bool is_fp16_representable(const at::Tensor& x) { return x.equal(x.to(at::kHalf).to(at::kFloat)); }

TEST(Initializer, IsDeterministicForASeed) {
  Initializer first = Initializer::random(7), second = Initializer::random(7), other = Initializer::random(8);
  const at::Tensor weight = first.normal({30, 3}, 0.5);
  EXPECT_TRUE(weight.equal(second.normal({30, 3}, 0.5)));
  EXPECT_FALSE(weight.equal(other.normal({30, 3}, 0.5)));
  EXPECT_FALSE(weight.equal(first.normal({30, 3}, 0.5)));
}

TEST(Initializer, LeavesTheGlobalGeneratorAlone) {
  at::manual_seed(1);
  const at::Tensor expected = at::rand({4});
  at::manual_seed(1);
  Initializer initializer = Initializer::random(7);
  initializer.uniform({100}, 1.0);
  EXPECT_TRUE(at::rand({4}).equal(expected));
}

TEST(Initializer, RoundsWeightsButNotEmbeddings) {
  Initializer initializer = Initializer::random(7);
  EXPECT_FALSE(is_fp16_representable(initializer.uniform({100}, 1.0)));
  initializer.round_to_fp16(true);
  EXPECT_TRUE(is_fp16_representable(initializer.uniform({100}, 1.0)));
  EXPECT_TRUE(is_fp16_representable(initializer.normal({100}, 1.0)));
  EXPECT_FALSE(is_fp16_representable(initializer.embedding({100}, 1.0)));
}

TEST(Initializer, ShapesOnlyTakeNoMemory) {
  Initializer initializer = Initializer::shapes_only();
  const std::int64_t million = 1'000'000;
  for (const at::Tensor& weight :
       {initializer.uniform({million, million}, 1.0), initializer.normal({million}, 1.0),
        initializer.constant({million, million}, 1.0)}) {
    EXPECT_TRUE(weight.is_meta());
  }
}

}  // namespace
}  // namespace cloob
