#include "train/chance_watch.h"

#include "support/support.h"

namespace cloob {
namespace {

TEST(ChanceWatch, AdvisesOnceIfAFifthOfARunHasLearnedNothing) {
  ChanceWatch watch(/*needs_warmup=*/true, 1000);
  EXPECT_FALSE(watch.advice(190, 1.0, 1.0));
  const auto advice = watch.advice(200, 0.99, 1.0);
  ASSERT_TRUE(advice);
  EXPECT_THAT(*advice, ::testing::HasSubstr("retrieval.warmup_steps, for example 500"));
  EXPECT_FALSE(watch.advice(210, 0.99, 1.0));
}

TEST(ChanceWatch, DoesNotBlameARetrievalThatHasAWarmUpOrDoesNotExist) {
  const auto advice = ChanceWatch(/*needs_warmup=*/false, 1000).advice(200, 1.0, 1.0);
  ASSERT_TRUE(advice);
  EXPECT_THAT(*advice, ::testing::HasSubstr("the learning rate may be too high"));
}

TEST(ChanceWatch, SaysNothingToRunsThatLearn) {
  EXPECT_FALSE(ChanceWatch(true, 1000).advice(200, 0.97, 1.0));
}

}  // namespace
}  // namespace cloob
