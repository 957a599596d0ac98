#include "cloob/data/order/sampler.h"

#include <gtest/gtest.h>

namespace cloob {
namespace {

TEST(Sampler, DropsTheRestOfATrainingEpoch) {
  const Sampler sampler(Purpose::training, 10, 4, LastBatch::drop);
  EXPECT_EQ(sampler.batches_per_epoch(), 2);
  const BatchPlaces first = sampler.batch_at(0), second = sampler.batch_at(first.next_position);
  EXPECT_EQ(second.first, 4);
  EXPECT_EQ(second.next_position, 8);
  const BatchPlaces third = sampler.batch_at(second.next_position);
  EXPECT_EQ(third.epoch, 1);
  EXPECT_EQ(third.first, 0);
  EXPECT_EQ(third.next_position, 14);
  EXPECT_FALSE(sampler.ended_at(1'000'000));
}

TEST(Sampler, WrapFillsTheLastBatch) {
  const Sampler sampler(Purpose::training, 10, 4, LastBatch::wrap);
  EXPECT_EQ(sampler.batches_per_epoch(), 3);
  const BatchPlaces last = sampler.batch_at(8);
  EXPECT_EQ(last.epoch, 0);
  EXPECT_EQ(last.first, 8);
  EXPECT_EQ(last.count, 4);
  EXPECT_EQ(last.next_position, 10);
  EXPECT_EQ(sampler.batch_at(10).epoch, 1);
  EXPECT_EQ(Sampler(Purpose::training, 3, 8, LastBatch::wrap).batches_per_epoch(), 1);
}

TEST(Sampler, EvaluatesEverythingOnce) {
  const Sampler sampler(Purpose::evaluation, 10, 4, LastBatch::drop);
  EXPECT_EQ(sampler.batches_per_epoch(), 3);
  const BatchPlaces last = sampler.batch_at(8);
  EXPECT_EQ(last.first, 8);
  EXPECT_EQ(last.count, 2);
  EXPECT_TRUE(sampler.ended_at(last.next_position));
}

}  // namespace
}  // namespace cloob
