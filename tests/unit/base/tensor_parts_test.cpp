#include "cloob/base/tensor_parts.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/simulated_ranks.h"

namespace cloob {
namespace {

TEST(TensorParts, CoverATensorOnceInRankOrder) {
  for (const std::int64_t world_size : {1, 2, 3, 8, 1000}) {
    for (const std::int64_t size : {0, 1, 63, 64, 65, 129, 1000, 49'408 * 512}) {
      std::int64_t end = 0;
      for (std::int64_t rank = 0; rank < world_size; ++rank) {
        const ElementRange part = part_of(size, rank, world_size);
        EXPECT_EQ(part.first, end);
        EXPECT_GE(part.count, 0);
        EXPECT_TRUE(part.first % 64 == 0 || part.count == 0) << size << " elements, rank " << rank;
        EXPECT_LE(part.count, size / world_size + 128);
        end = part.first + part.count;
      }
      EXPECT_EQ(end, size);
    }
  }
}

TEST(TensorParts, OfOtherRanksAreGathered) {
  testing::run_ranks(3, [](const Collectives& collectives) {
    const at::Tensor whole = at::arange(2 * 7 * 31, at::kFloat).view({2, 7, 31});
    std::vector<at::Tensor> tensors = {at::full({2, 7, 31}, -1, at::kFloat),
                                       at::full({7, 2, 31}, -1, at::kFloat).transpose(0, 1),
                                       at::full({5}, -1, at::kDouble), at::full({0}, -1, at::kFloat)};
    for (const at::Tensor& tensor : tensors) {
      const ElementRange own = part_of(tensor.numel(), collectives.rank(), collectives.world_size());
      // In the order in which elements are stored.
      elements_of(tensor, own).copy_(whole.flatten().narrow(0, own.first, own.count));
    }
    gather_parts(tensors, collectives);
    EXPECT_TRUE(at::equal(tensors[0], whole));
    EXPECT_TRUE(at::equal(tensors[1], whole.view({7, 2, 31}).transpose(0, 1)));
    EXPECT_TRUE(at::equal(tensors[2], at::arange(5, at::kDouble)));
  });
}

}  // namespace
}  // namespace cloob
