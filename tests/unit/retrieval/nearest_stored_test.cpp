#include "cloob/retrieval/nearest_stored.h"

#include <ATen/ATen.h>

#include <cmath>

#include "cloob/retrieval/hopfield.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_close;

at::Tensor unit_rows_of(std::int64_t rows, std::uint64_t seed) {
  at::manual_seed(seed);
  const at::Tensor drawn = at::randn({rows, 6}, at::kDouble);
  return drawn / drawn.norm(2, 1, true);
}

TEST(NearestStored, HasTheWeightsOfTheClosedForm) {
  const at::Tensor stored = at::eye(3, at::kDouble);
  const NearestStored nearest = nearest_stored(stored.narrow(0, 1, 1), stored, std::log(2.0), 1, 2);
  // softmax(0, ln 2, 0) = (1, 2, 1) / 4; of the two equal ones the first.
  expect_close(nearest.weights_BK, at::tensor({0.5, 0.25}, at::kDouble).reshape({1, 2}), 1e-14, 0);
  EXPECT_EQ(nearest.rows_BK[0][0].item<std::int64_t>(), 1);
  EXPECT_EQ(nearest.rows_BK[0][1].item<std::int64_t>(), 0);
  EXPECT_NEAR(nearest.entropy_B.item<double>(), 1.5 * std::log(2.0), 1e-14);
}

TEST(NearestStored, WeightsAreThoseThatRetrievalUses) {
  const at::Tensor state = unit_rows_of(4, 1), stored = unit_rows_of(9, 2);
  for (const std::int64_t steps : {1, 3}) {
    const NearestStored nearest = nearest_stored(state, stored, 7.0, steps, 100);
    ASSERT_EQ(nearest.rows_BK.size(1), 9);
    const at::Tensor patterns_BKD = stored.index_select(0, nearest.rows_BK.reshape({-1})).reshape({4, 9, 6});
    const at::Tensor mean_BD = (nearest.weights_BK.unsqueeze(2) * patterns_BKD).sum(1);
    const Retrieval expected =
        hopfield_retrieve_with_entropy(state, stored, at::scalar_tensor(7.0, at::kDouble), steps);
    expect_close(mean_BD / mean_BD.norm(2, 1, true), expected.pattern_BD, 1e-12, 1e-14);
    expect_close(nearest.entropy_B, expected.entropy_B, 1e-12, 1e-14);
  }
}

}  // namespace
}  // namespace cloob
