// Shapes: N samples, D dimensions, K clusters; B samples of a block, S of this rank, M blocks.
#include "cloob/cluster/kmeans.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/slice.h"
#include "cloob/base/tiles.h"
#include "cluster/cluster_sums.h"
#include "cluster/faiss_rules.h"
#include "cluster/nearest.h"

namespace cloob {
namespace {

// Large primes between the seeds of restarts, as faiss has it.
constexpr std::uint64_t kSeedStep = 15486557;

at::Tensor squared_norms(const at::Tensor& rows_ND) {
  const at::Tensor norms_N = at::empty({rows_ND.size(0)}, rows_ND.options().dtype(at::kDouble));
  for_each_piece(rows_ND.size(0), kBlockRows, [&](std::int64_t first, std::int64_t count) {
    norms_N.narrow(0, first, count).copy_(rows_ND.narrow(0, first, count).to(at::kDouble).square().sum(1));
  });
  return norms_N;
}

struct Assignment {
  at::Tensor labels_N;
  double objective = 0;
};

// The nearest centroids. Each block of samples belongs to one rank, and is the same for any number of ranks.
class Assigner {
 public:
  Assigner(const at::Tensor& samples_ND, bool is_spherical, const Collectives& collectives)
      : samples_ND_(samples_ND),
        norms_N_(squared_norms(samples_ND)),
        is_spherical_(is_spherical),
        collectives_(collectives),
        blocks_(slice_of(num_blocks(), collectives.rank(), collectives.world_size())) {
    CLOOB_CHECK(norms_N_.isfinite().all().item<bool>(), "samples with NaN or infinite numbers");
  }

  Assignment assign(const at::Tensor& centroids_KD) const {
    const std::int64_t first = blocks_.first * kBlockRows;
    const std::int64_t end = std::min(samples_ND_.size(0), (blocks_.first + blocks_.count) * kBlockRows);
    const at::Tensor norms_K = squared_norms(centroids_KD);
    // The nearest centroid has the largest <x, c> - |c|^2 / 2.
    const at::Tensor bias_K = (norms_K * (is_spherical_ ? 0.0 : -0.5)).to(centroids_KD.scalar_type());
    const at::Tensor labels_N = at::zeros({samples_ND_.size(0)}, samples_ND_.options().dtype(at::kLong));
    const at::Tensor objective_M = at::zeros({num_blocks()}, norms_N_.options());
    if (end > first) {
      const Nearest nearest =
          nearest_centroids(samples_ND_.narrow(0, first, end - first), centroids_KD, bias_K);
      labels_N.narrow(0, first, end - first).copy_(nearest.labels_N);
      // |x - c|^2 of each sample.
      at::Tensor distances_S = norms_N_.narrow(0, first, end - first) - 2 * nearest.scores_N.to(at::kDouble);
      if (is_spherical_) distances_S += norms_K.index_select(0, nearest.labels_N);
      distances_S.clamp_min_(0);  // what is lost in rounding
      for_each_piece(end - first, kBlockRows, [&](std::int64_t place, std::int64_t count) {
        objective_M[(first + place) / kBlockRows].copy_(distances_S.narrow(0, place, count).sum());
      });
    }
    collectives_.sum_in_place(std::array{labels_N, objective_M});
    const Assignment assignment = {labels_N, objective_M.sum().item<double>()};
    CLOOB_CHECK(std::isfinite(assignment.objective), "the sum of squared distances is {}",
                assignment.objective);
    return assignment;
  }

 private:
  std::int64_t num_blocks() const { return (samples_ND_.size(0) + kBlockRows - 1) / kBlockRows; }

  at::Tensor samples_ND_, norms_N_;
  bool is_spherical_;
  const Collectives& collectives_;
  Slice blocks_;  // of this rank
};

// A run from one start.
struct Restart {
  at::Tensor centroids_KD;
  std::vector<double> objectives;
};

at::Tensor initial_centroids(const at::Tensor& samples_ND, const KMeansOptions& options,
                             std::int64_t restart) {
  const std::uint64_t seed = options.seed + 1 + static_cast<std::uint64_t>(restart) * kSeedStep;
  const at::Tensor chosen_K =
      at::tensor(start_of_permutation(samples_ND.size(0), options.clusters, seed), at::kLong);
  const at::Tensor centroids_KD = samples_ND.index_select(0, chosen_K.to(samples_ND.device()));
  return options.spherical ? unit_rows(centroids_KD) : centroids_KD;
}

at::Tensor updated_centroids(const at::Tensor& samples_ND, const at::Tensor& labels_N,
                             const KMeansOptions& options) {
  const at::Tensor centroids_KD = cluster_means(samples_ND, labels_N, options.clusters);
  const std::vector<std::int64_t> sizes = cluster_sizes(labels_N, options.clusters);
  split_for_empty(centroids_KD, std::vector<float>(sizes.begin(), sizes.end()), samples_ND.size(0));
  return options.spherical ? unit_rows(centroids_KD) : centroids_KD;
}

Restart run_restart(const at::Tensor& samples_ND, const Assigner& assigner, const KMeansOptions& options,
                    std::int64_t restart) {
  Restart run{.centroids_KD = initial_centroids(samples_ND, options, restart), .objectives = {}};
  while (std::ssize(run.objectives) < options.iterations) {
    if (options.between_iterations) options.between_iterations();
    const Assignment assignment = assigner.assign(run.centroids_KD);
    run.centroids_KD = updated_centroids(samples_ND, assignment.labels_N, options);
    const bool has_converged = !run.objectives.empty() && run.objectives.back() == assignment.objective;
    run.objectives.push_back(assignment.objective);
    if (has_converged) break;
  }
  return run;
}

void check_samples(const at::Tensor& samples_ND, const KMeansOptions& options) {
  CLOOB_CHECK(samples_ND.dim() == 2 && samples_ND.is_floating_point() && samples_ND.size(1) > 0,
              "samples that are not a matrix of numbers");
  CLOOB_CHECK(options.clusters > 0 && options.iterations > 0 && options.restarts > 0,
              "{} clusters, {} iterations, {} restarts", options.clusters, options.iterations,
              options.restarts);
  if (samples_ND.size(0) < options.clusters) {
    throw_user_error(
        "K-means of {} samples into {} clusters: it needs at least as many samples as clusters, so ask for fewer clusters",
        samples_ND.size(0), options.clusters);
  }
}

}  // namespace

KMeansResult kmeans(const at::Tensor& samples_ND, const KMeansOptions& options,
                    const Collectives& collectives) {
  check_samples(samples_ND, options);
  const at::NoGradGuard no_grad;
  const OutsideAutocast outside_autocast;
  const at::Tensor wide_ND = at_least_fp32(samples_ND).contiguous();
  const Assigner assigner(wide_ND, options.spherical, collectives);
  if (wide_ND.size(0) == options.clusters) {
    const at::Tensor centroids_KD = options.spherical ? unit_rows(wide_ND) : wide_ND.clone();
    const Assignment assignment = assigner.assign(centroids_KD);
    return {centroids_KD, assignment.labels_N, {assignment.objective}};
  }
  Restart best;
  for (std::int64_t restart = 0; restart < options.restarts; ++restart) {
    Restart run = run_restart(wide_ND, assigner, options, restart);
    if (best.objectives.empty() || run.objectives.back() < best.objectives.back()) best = std::move(run);
  }
  const at::Tensor labels_N = assigner.assign(best.centroids_KD).labels_N;
  return {best.centroids_KD, labels_N, std::move(best.objectives)};
}

}  // namespace cloob
