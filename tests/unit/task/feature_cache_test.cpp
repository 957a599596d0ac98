#include "task/feature_cache.h"

#include <ATen/ATen.h>

#include "support/support.h"

namespace cloob {
namespace {

// "Features" from which the input rows can be recognized, and a count of the encoded rows.
class FeatureCacheTest : public ::testing::Test {
 protected:
  at::Tensor cached_features(const at::Tensor& inputs) {
    return cache_.features(keys_of_rows(inputs), [&](const at::Tensor& rows) {
      num_encoded_ += rows.size(0);
      return inputs.index_select(0, rows).to(at::kFloat).mul(10);
    });
  }

  FeatureCache cache_;
  std::int64_t num_encoded_ = 0;
};

TEST_F(FeatureCacheTest, EncodesEveryInputOnce) {
  const at::Tensor inputs = at::arange(12).reshape({4, 3}).to(at::kFloat);
  testing::expect_close(cached_features(inputs), inputs * 10, 0, 0);
  EXPECT_EQ(num_encoded_, 4);
  const at::Tensor more = at::stack({inputs[2], at::full({3}, 7.5), inputs[0], at::full({3}, 7.5)});
  testing::expect_close(cached_features(more), more * 10, 0, 0);
  testing::expect_close(cached_features(more), more * 10, 0, 0);
  EXPECT_EQ(num_encoded_, 6) << "both copies of the new row, which were in one batch";
  EXPECT_EQ(cache_.size(), 5);
}

TEST_F(FeatureCacheTest, GrowsBeyondOneBlock) {
  const at::Tensor inputs = at::randn({9000, 2});
  for (std::int64_t first = 0; first < 9000; first += 1000) cached_features(inputs.narrow(0, first, 1000));
  testing::expect_close(cached_features(inputs), inputs * 10, 0, 0);
  EXPECT_EQ(num_encoded_, 9000);
}

TEST(KeysOfTexts, DependOnlyOnTheTokensUpToTheEnd) {
  const at::Tensor tokens = at::tensor({5, 6, 7, 0, 5, 6, 7, 9, 5, 6, 0, 0}, at::kLong).reshape({3, 4});
  const auto keys = keys_of_texts(tokens, at::tensor({2, 2, 1}, at::kLong));
  EXPECT_EQ(keys[0], keys[1]);
  EXPECT_FALSE(keys[0] == keys[2]);
  const auto longer = keys_of_texts(tokens, at::tensor({3, 3, 1}, at::kLong));
  EXPECT_FALSE(longer[0] == longer[1]);
}

}  // namespace
}  // namespace cloob
