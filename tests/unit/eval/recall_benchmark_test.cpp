#include "cloob/eval/recall_benchmark.h"

#include <map>
#include <string>

#include "cloob/base/memory.h"
#include "support/support.h"

namespace cloob {
namespace {

TEST(RecallBenchmark, NeverHoldsTheMatrixOfScores) {
  if (!reset_peak_rss()) GTEST_SKIP() << "the kernel does not let a process reset its peak memory";
  const NamedNumbers result =
      benchmark_recall({.num_images = 6'000, .num_texts = 30'000, .dim = 32, .seed = 1});
  const std::map<std::string, double> numbers(result.begin(), result.end());
  const double matrix_gib = 6e3 * 30e3 * sizeof(float) / kGiB;
  EXPECT_LT(numbers.at("peak_gib"), matrix_gib / 5);
  EXPECT_NEAR(numbers.at("features_gib"), 36e3 * 32 * sizeof(float) / kGiB, 1e-9);
  EXPECT_EQ(numbers.at("num_images"), 6e3);
  EXPECT_EQ(numbers.at("num_texts"), 30e3);
  EXPECT_GT(numbers.at("text_to_image_R@1"), 0.01);
  EXPECT_LT(numbers.at("text_to_image_R@1"), 0.99);
}

TEST(RecallBenchmark, NeedsATextForEveryImage) {
  testing::expect_user_error([] { benchmark_recall({.num_images = 10, .num_texts = 9}); },
                             {"10 images have only 9 texts"});
}

}  // namespace
}  // namespace cloob
