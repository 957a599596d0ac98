#include "cloob/cluster/pca.h"

#include <ATen/ATen.h>

#include "support/support.h"

namespace cloob {
namespace {

at::Tensor random_samples(std::int64_t count, std::int64_t dims) {
  at::manual_seed(3);
  return at::mm(at::randn({count, dims}, at::kDouble), at::randn({dims, dims}, at::kDouble)) + 2;
}

TEST(Pca, ComponentsAreOrthonormalAndOfDecreasingVariance) {
  const at::Tensor samples_ND = random_samples(150, 8);
  const Pca pca = fit_pca(samples_ND, 8);
  testing::expect_close(at::mm(pca.components_PD, pca.components_PD.t()), at::eye(8, at::kDouble), 0, 1e-12);
  const at::Tensor rows_NP = apply(pca, samples_ND);
  const at::Tensor covariance_PP = at::mm(rows_NP.t(), rows_NP);
  testing::expect_close(covariance_PP, covariance_PP.diagonal().diag(), 0, 1e-8);
  EXPECT_TRUE((covariance_PP.diagonal().diff() < 0).all().item<bool>());
  testing::expect_close(rows_NP.mean(0), at::zeros({8}, at::kDouble), 0, 1e-12);
  // All components together only turn the samples.
  testing::expect_close(at::mm(rows_NP, pca.components_PD) + pca.mean_D, samples_ND, 1e-10, 1e-10);
}

TEST(Pca, SignsDoNotDependOnTheOrderOfTheSamples) {
  const at::Tensor samples_ND = random_samples(60, 6);
  const at::Tensor components_PD = fit_pca(samples_ND, 4).components_PD;
  testing::expect_close(fit_pca(samples_ND.flip(0), 4).components_PD, components_PD, 0, 1e-10);
  EXPECT_TRUE((components_PD.gather(1, components_PD.abs().argmax(1, true)) > 0).all().item<bool>());
}

TEST(Pca, HasNoMoreComponentsThanSamplesAndDimensions) {
  testing::expect_user_error([] { fit_pca(random_samples(5, 8), 6); },
                             {"6 principal components of 5 samples"});
  testing::expect_user_error([] { fit_pca(random_samples(50, 8), 9); }, {"with 8 numbers", "fewer"});
  EXPECT_EQ(fit_pca(random_samples(5, 8), 4).components_PD.sizes(), (std::vector<std::int64_t>{4, 8}));
}

}  // namespace
}  // namespace cloob
