#include "cloob/eval/nearest_images.h"

#include <ATen/ATen.h>

#include "cloob/base/collectives.h"
#include "cloob/eval/retrieval_metrics.h"
#include "support/support.h"

namespace cloob {
namespace {

TEST(NearestImages, RanksEqualImagesByTheirRows) {
  const at::Tensor images = at::tensor({1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.6, 0.8}).reshape({4, 2});
  const at::Tensor query = at::tensor({1.0, 0.0, 1.0, 0.0}).reshape({2, 2});
  const NearestImages nearest = nearest_images(query, images, {2, std::nullopt}, 3);
  EXPECT_TRUE(nearest.rows_QK[0].equal(at::tensor(std::vector<std::int64_t>{0, 2, 3})));
  EXPECT_EQ(nearest.rank_of_true[0], 2);
  EXPECT_FALSE(nearest.rank_of_true[1]);
}

TEST(NearestImages, AgreesWithTheRecalls) {
  at::manual_seed(3);
  const std::int64_t count = 40;
  const at::Tensor images = at::randn({count, 5}), texts = images + at::randn({count, 5});
  std::vector<std::optional<std::int64_t>> rows;
  PairFeatures pairs{.image_ND = images, .text_MD = texts, .image_of_text = {}};
  for (std::int64_t row = 0; row < count; ++row) {
    rows.emplace_back(row);
    pairs.image_of_text.push_back(row);
  }
  const NearestImages nearest = nearest_images(texts, images, rows, 100);
  ASSERT_EQ(nearest.rows_QK.size(1), count);
  double within_5 = 0, sum = 0;
  for (const auto& rank : nearest.rank_of_true) {
    within_5 += *rank <= 5 ? 1 : 0;
    sum += static_cast<double>(*rank);
  }
  const RetrievalMetrics expected = retrieval_metrics(std::span(&pairs, 1), SingleProcess());
  EXPECT_DOUBLE_EQ(within_5 / count, expected.text_to_image.recall_at_5);
  EXPECT_DOUBLE_EQ(sum / count, expected.text_to_image.mean_rank);
}

}  // namespace
}  // namespace cloob
