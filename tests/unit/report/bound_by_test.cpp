#include "cloob/report/bound_by.h"

#include "support/support.h"

namespace cloob {
namespace {

TEST(FindBound, UsesTheWaitFirst) {
  EXPECT_EQ(find_bound(1, 0), BoundBy::data);
  EXPECT_EQ(find_bound(0.1, 0), BoundBy::data);
  // Batches arrive in bursts: the queue is full on average, yet the loop waits.
  EXPECT_EQ(find_bound(0.1, 1), BoundBy::data);
  EXPECT_EQ(find_bound(0.099, 0), BoundBy::balanced);
}

TEST(FindBound, UsesTheReadyBatchesWhenTheWaitIsShort) {
  EXPECT_EQ(find_bound(0, 1), BoundBy::compute);
  EXPECT_EQ(find_bound(0.099, 0.5), BoundBy::compute);
  EXPECT_EQ(find_bound(0.099, 0.49), BoundBy::balanced);
  EXPECT_EQ(find_bound(0, 0), BoundBy::balanced);
}

}  // namespace
}  // namespace cloob
