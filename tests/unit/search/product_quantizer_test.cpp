#include "search/product_quantizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>

#include "cloob/search/feature_rows.h"
#include "support/support.h"

namespace cloob {
namespace {

// The vectors that codes stand for.
at::Tensor decode(const std::vector<std::uint8_t>& codes, const at::Tensor& codebooks_MSW,
                  const at::Tensor& like_ND) {
  const at::Tensor vectors_ND = at::zeros_like(like_ND);
  const std::int64_t bytes = codebooks_MSW.size(0), numbers = codebooks_MSW.size(1);
  for (std::int64_t n = 0; n < like_ND.size(0); ++n) {
    for (std::int64_t d = 0; d < like_ND.size(1); ++d) {
      const std::int64_t word = codes[static_cast<std::size_t>(n * bytes + d / numbers)];
      vectors_ND[n][d] = codebooks_MSW[d / numbers][d % numbers][word];
    }
  }
  return vectors_ND;
}

TEST(CodeShape, LeavesNoPieceEmpty) {
  const auto expect_shape = [](std::int64_t dims, std::int64_t wanted, std::int64_t bytes,
                               std::int64_t numbers) {
    const CodeShape shape = code_shape(dims, wanted);
    EXPECT_EQ(shape.bytes, bytes);
    EXPECT_EQ(shape.numbers, numbers);
  };
  expect_shape(512, 64, 64, 8);
  expect_shape(512, 60, 57, 9);
  expect_shape(20, 3, 3, 7);
  expect_shape(1, 1, 1, 1);
  EXPECT_EQ(default_code_bytes(512), 64);
  EXPECT_EQ(default_code_bytes(20), 3);
}

TEST(ProductQuantizer, IsExactForAsManyVectorsAsWords) {
  const at::Tensor vectors_ND = at::randn({100, 20});
  const at::Tensor codebooks_MSW = train_codebooks(vectors_ND, code_shape(20, 3), {});
  testing::expect_close(decode(encode(vectors_ND, codebooks_MSW), codebooks_MSW, vectors_ND), vectors_ND, 0,
                        0);
}

TEST(ProductQuantizer, TakesTheNearestWords) {
  const at::Tensor vectors_ND = at::randn({2000, 6});
  const at::Tensor codebooks_MSW = train_codebooks(vectors_ND, code_shape(6, 3), {});
  const at::Tensor coded_ND = decode(encode(vectors_ND, codebooks_MSW), codebooks_MSW, vectors_ND);
  // 256 words for two numbers leave a hundredth of the variance or so.
  EXPECT_LT((coded_ND - vectors_ND).square().mean().item<double>(), 0.03);
  for (std::int64_t n = 0; n < 50; ++n) {
    for (std::int64_t m = 0; m < 3; ++m) {
      const at::Tensor piece_S1 = vectors_ND[n].narrow(0, 2 * m, 2).unsqueeze(1);
      const double least = (codebooks_MSW[m] - piece_S1).square().sum(0).min().item<double>();
      const double taken =
          (coded_ND[n].narrow(0, 2 * m, 2) - piece_S1.squeeze(1)).square().sum().item<double>();
      EXPECT_NEAR(taken, least, 1e-6);
    }
  }
}

TEST(ProductQuantizer, ScoresAreThoseOfWhatCodesStandFor) {
  const at::Tensor vectors_ND = at::randn({600, 21}), query_1D = at::randn({1, 21});
  for (const std::int64_t bytes : {1, 3, 5, 21}) {
    const CodeShape shape = code_shape(21, bytes);
    const at::Tensor codebooks_MSW = train_codebooks(vectors_ND, shape, {});
    const auto codes = encode(vectors_ND, codebooks_MSW);
    const at::Tensor coded_ND = decode(codes, codebooks_MSW, vectors_ND);
    const PaddedQueries query(query_1D);
    const auto scores = word_scores(query.query(0), 21, shape, codebooks_MSW.const_data_ptr<float>());
    for (std::int64_t n = 0; n < 600; n += 50)
      EXPECT_NEAR(code_score(scores.data(), codes.data() + n * shape.bytes, shape.bytes),
                  (coded_ND[n] * query_1D[0]).sum().item<float>(), 1e-4);
  }
}

TEST(ProductQuantizer, StopsWhenAsked) {
  EXPECT_THROW(train_codebooks(at::randn({300, 8}), code_shape(8, 1), [] { return true; }), IndexingStopped);
}

}  // namespace
}  // namespace cloob
