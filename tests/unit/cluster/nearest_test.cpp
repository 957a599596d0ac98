#include "cluster/nearest.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "support/support.h"

namespace cloob {
namespace {

template <class Scalar>
std::vector<NearestKernel<Scalar>> kernels() {
  std::vector<NearestKernel<Scalar>> all = {portable_nearest_kernel<Scalar>()};
#if CLOOB_HAS_X86_KERNELS
  const bool has_fma = __builtin_cpu_supports("fma") != 0;
  if (has_fma && __builtin_cpu_supports("avx2") != 0) all.push_back(avx2_nearest_kernel<Scalar>());
  if (has_fma && __builtin_cpu_supports("avx512f") != 0) all.push_back(avx512_nearest_kernel<Scalar>());
#endif
  return all;
}

struct Problem {
  at::Tensor rows_ND, centroids_KD, bias_K;
};

Problem random_problem(std::int64_t rows, std::int64_t centroids, std::int64_t dims, at::ScalarType type) {
  at::manual_seed(rows + centroids + dims);
  return {at::randn({rows, dims}, type), at::randn({centroids, dims}, type), at::randn({centroids}, type)};
}

void expect_nearest(const Nearest& nearest, const Problem& problem) {
  const at::Tensor scores_NK =
      at::mm(problem.rows_ND.to(at::kDouble), problem.centroids_KD.to(at::kDouble).t()) + problem.bias_K;
  const auto [best_N, labels_N] = scores_NK.max(1);
  const double tolerance = problem.rows_ND.scalar_type() == at::kDouble ? 1e-12 : 1e-4;
  testing::expect_close(nearest.scores_N.to(at::kDouble), best_N, tolerance, tolerance);
  EXPECT_TRUE(nearest.labels_N.equal(labels_N));
}

TEST(Nearest, EveryKernelFindsTheBestCentroid) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    for (const auto& [rows, centroids, dims] : std::vector<std::array<std::int64_t, 3>>{
             {1, 1, 1}, {7, 3, 5}, {33, 100, 16}, {70, 205, 3}, {600, 47, 129}}) {
      SCOPED_TRACE(::testing::Message() << rows << ", " << centroids << ", " << dims);
      const Problem problem = random_problem(rows, centroids, dims, type);
      const auto run = [&](const auto& kernel) {
        return nearest_by_kernel(kernel, problem.rows_ND, problem.centroids_KD, problem.bias_K);
      };
      if (type == at::kFloat) {
        for (const auto& kernel : kernels<float>()) expect_nearest(run(kernel), problem);
      } else {
        for (const auto& kernel : kernels<double>()) expect_nearest(run(kernel), problem);
      }
      expect_nearest(nearest_centroids(problem.rows_ND, problem.centroids_KD, problem.bias_K), problem);
      expect_nearest(nearest_in_tiles(problem.rows_ND, problem.centroids_KD, problem.bias_K, 8), problem);
    }
  }
}

TEST(Nearest, OfEqualCentroidsTheFirstCounts) {
  const at::Tensor rows_ND = at::ones({50, 4});
  at::Tensor centroids_KD = at::zeros({300, 4});
  for (const std::int64_t best : {17, 18, 33, 65, 113, 299}) centroids_KD[best].fill_(1);
  const at::Tensor bias_K = at::zeros({300});
  const at::Tensor expected_N = at::full({50}, 17, at::kLong);
  for (const auto& kernel : kernels<float>())
    EXPECT_TRUE(nearest_by_kernel(kernel, rows_ND, centroids_KD, bias_K).labels_N.equal(expected_N));
  for (const std::int64_t tile : {1, 20, 64, 1000})
    EXPECT_TRUE(nearest_in_tiles(rows_ND, centroids_KD, bias_K, tile).labels_N.equal(expected_N));
}

// So that ranks and threads may divide rows as they like.
TEST(Nearest, DoesNotDependOnTheOtherRowsNorOnThreads) {
  const Problem problem = random_problem(1500, 130, 37, at::kFloat);
  const Nearest all = nearest_centroids(problem.rows_ND, problem.centroids_KD, problem.bias_K);
  const std::int64_t threads = at::get_num_threads();
  at::set_num_threads(3);
  for (const auto& [first, count] :
       std::vector<std::array<std::int64_t, 2>>{{0, 1500}, {1, 1}, {700, 333}, {3, 5}}) {
    const Nearest part =
        nearest_centroids(problem.rows_ND.narrow(0, first, count), problem.centroids_KD, problem.bias_K);
    EXPECT_TRUE(part.scores_N.equal(all.scores_N.narrow(0, first, count)));
    EXPECT_TRUE(part.labels_N.equal(all.labels_N.narrow(0, first, count)));
  }
  at::set_num_threads(static_cast<int>(threads));
}

}  // namespace
}  // namespace cloob
