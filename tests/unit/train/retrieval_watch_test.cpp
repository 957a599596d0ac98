#include "train/retrieval_watch.h"

#include <cmath>

#include "support/support.h"

namespace cloob {
namespace {

RetrievalConfig with_warmup(std::int64_t steps) {
  return {.kind = RetrievalKind::hopfield, .warmup_steps = steps};
}

TEST(RetrievalWatch, AdvisesOnceIfAFifthOfARunHasRetrievedTheMean) {
  RetrievalWatch watch(with_warmup(0), 1000);
  EXPECT_FALSE(watch.advice(190, std::log(128), 8, 128));
  const auto advice = watch.advice(200, std::log(127), 8, 128);
  ASSERT_TRUE(advice);
  EXPECT_THAT(*advice, ::testing::HasSubstr(
                           "with beta 8 the entropy of its weights is 4.8442, that of an average over "
                           "127 of 128."));
  EXPECT_THAT(*advice, ::testing::HasSubstr("retrieval.warmup_steps, for example 500"));
  EXPECT_FALSE(watch.advice(210, std::log(128), 8, 128));
}

TEST(RetrievalWatch, WaitsForTheWarmUp) {
  RetrievalWatch watch(with_warmup(600), 1000);
  EXPECT_FALSE(watch.advice(590, std::log(128), 8, 128));
  const auto advice = watch.advice(600, std::log(128), 8, 128);
  ASSERT_TRUE(advice);
  EXPECT_THAT(*advice, ::testing::HasSubstr("a longer retrieval.warmup_steps"));
}

TEST(RetrievalWatch, SaysNothingOfRunsThatTellFeaturesApart) {
  RetrievalWatch watch(with_warmup(0), 1000);
  EXPECT_FALSE(watch.advice(500, std::log(60), 8, 128));
  EXPECT_FALSE(watch.advice(500, 0, 8, 128));
  EXPECT_TRUE(watch.advice(510, std::log(128), 8, 128));  // features may become alike again
}

}  // namespace
}  // namespace cloob
