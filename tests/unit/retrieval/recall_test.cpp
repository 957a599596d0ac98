#include "cloob/retrieval/recall.h"

#include <ATen/ATen.h>

#include <cmath>

#include "cloob/base/full_precision.h"
#include "cloob/retrieval/association.h"
#include "support/support.h"

namespace cloob {
namespace {

at::Tensor drawn(at::IntArrayRef shape) {
  at::manual_seed(1);
  return at::randn(shape);
}

TEST(RegimeOf, IsTheNumberOfPatternsThatAreAveraged) {
  EXPECT_EQ(regime_of(std::log(128), 128), RetrievalRegime::mean);
  EXPECT_EQ(regime_of(std::log(104), 128), RetrievalRegime::mean);
  EXPECT_EQ(regime_of(std::log(100), 128), RetrievalRegime::metastable);
  EXPECT_EQ(regime_of(std::log(2), 128), RetrievalRegime::metastable);
  EXPECT_EQ(regime_of(0.01, 128), RetrievalRegime::single);
  EXPECT_EQ(regime_of(0, 128), RetrievalRegime::single);
}

TEST(MeasureRecall, OfTheRightWeightsIsPerfect) {
  const Recall recall = measure_recall(at::eye(5).narrow(0, 0, 3), drawn({5, 4}));
  EXPECT_EQ(recall.entropy, 0);
  EXPECT_EQ(recall.own_weight, 1);
  EXPECT_NEAR(recall.recovered, 1, 1e-6);
  EXPECT_EQ(recall.found, 1);
}

TEST(MeasureRecall, OfEqualWeightsIsTheMean) {
  const Recall recall = measure_recall(at::full({5, 5}, 0.2), drawn({5, 4}));
  EXPECT_NEAR(recall.entropy, std::log(5), 1e-6);
  EXPECT_NEAR(recall.own_weight, 0.2, 1e-6);
  EXPECT_NEAR(recall.recovered, 0, 1e-6);
  EXPECT_EQ(recall.found, 0.2);  // the mean is nearest to the same value for all
}

TEST(MeasureRecall, OfOtherPatternsIsNegative) {
  const Recall recall = measure_recall(at::eye(5).roll(1, 0), drawn({5, 4}));
  EXPECT_EQ(recall.own_weight, 0);
  EXPECT_LT(recall.recovered, -0.5);
  EXPECT_EQ(recall.found, 0);
}

// The three kinds of fixed points, as beta grows: half of the features of random patterns are given.
TEST(MeasureRecall, HasAllThreeRegimes) {
  const at::Tensor stored_ND = unit_rows(drawn({100, 64}));
  at::Tensor half_ND = stored_ND.clone();
  half_ND.narrow(1, 32, 32).zero_();
  const auto recall_at = [&](double beta) {
    const AssociationOptions options{.beta = at::scalar_tensor(beta), .max_update_steps = 100};
    const at::Tensor weights_NM = association_weights(unit_rows(half_ND).view({1, 1, 100, 64}),
                                                      stored_ND.view({1, 1, 100, 64}), options)[0][0];
    return measure_recall(weights_NM, stored_ND);
  };
  const Recall mean = recall_at(1 / std::sqrt(64.0)), single = recall_at(100);
  EXPECT_EQ(regime_of(mean.entropy, 100), RetrievalRegime::mean);
  EXPECT_LT(mean.found, 0.05);
  EXPECT_EQ(regime_of(single.entropy, 100), RetrievalRegime::single);
  EXPECT_GT(single.found, 0.9);
  bool has_metastable = false;
  for (const double beta : {4.0, 6.0, 8.0, 10.0})
    has_metastable |= regime_of(recall_at(beta).entropy, 100) == RetrievalRegime::metastable;
  EXPECT_TRUE(has_metastable);
}

TEST(UntrainedWeights, DoNotFindThePattern) {
  const at::Tensor stored_ND = unit_rows(drawn({100, 256}));
  const Recall recall = measure_recall(untrained_weights(stored_ND, stored_ND), stored_ND);
  EXPECT_EQ(regime_of(recall.entropy, 100), RetrievalRegime::mean);
  EXPECT_LT(recall.found, 0.1);
}

// Storage is exponential in the dimension: with twice the dimensions, hundreds of times as many patterns.
TEST(StorageError, OfASeriesOfDimensionsShowsExponentialCapacity) {
  const auto error = [](std::int64_t dim, std::int64_t num_patterns) {
    return storage_error({.dim = dim, .num_patterns = num_patterns, .beta = static_cast<double>(dim - 1)});
  };
  EXPECT_GT(error(8, 16), 0.3);
  EXPECT_LT(error(16, 64), 0.02);
  EXPECT_GT(error(16, 512), 0.1);
  EXPECT_LT(error(24, 4096), 0.02);
}

TEST(StorageError, OfTheSameSeedIsTheSame) {
  const StorageTrial trial{.dim = 8, .num_patterns = 32, .beta = 10, .seed = 3};
  EXPECT_EQ(storage_error(trial), storage_error(trial));
}

}  // namespace
}  // namespace cloob
