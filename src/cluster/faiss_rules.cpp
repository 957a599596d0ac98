#include "cluster/faiss_rules.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "cloob/base/error.h"

namespace cloob {
namespace {

constexpr std::uint32_t kSplitSeed = 1234;
constexpr double kShift = 1.0 / 1024;

float uniform(std::mt19937& generator) {
  return static_cast<float>(generator()) / static_cast<float>(std::mt19937::max());
}

// Draws clusters in turn; the largest one if none was accepted for long.
std::size_t draw_donor(const std::vector<float>& sizes_K, std::int64_t num_samples, std::mt19937& generator) {
  const std::size_t clusters = sizes_K.size();
  const auto spare = static_cast<float>(num_samples - std::ssize(sizes_K));
  for (std::size_t attempt = 0; attempt < 10 * clusters; ++attempt) {
    const std::size_t cluster = attempt % clusters;
    const double others = static_cast<double>(sizes_K[cluster]) - 1;
    const auto probability = static_cast<float>(others / static_cast<double>(spare));
    if (uniform(generator) < probability) return cluster;
  }
  return static_cast<std::size_t>(std::ranges::max_element(sizes_K) - sizes_K.begin());
}

}  // namespace

std::vector<std::int64_t> start_of_permutation(std::int64_t size, std::int64_t count, std::uint64_t seed) {
  CLOOB_CHECK(count <= size && size <= std::numeric_limits<std::int32_t>::max(), "{} of {} samples", count,
              size);
  std::vector<std::int64_t> permutation(static_cast<std::size_t>(size));
  std::iota(permutation.begin(), permutation.end(), 0);
  std::mt19937 generator(static_cast<std::uint32_t>(seed));
  for (std::size_t i = 0; i < static_cast<std::size_t>(count) && i + 1 < permutation.size(); ++i)
    std::swap(permutation[i], permutation[i + generator() % (permutation.size() - i)]);
  permutation.resize(static_cast<std::size_t>(count));
  return permutation;
}

std::int64_t split_for_empty(const at::Tensor& centroids_KD, std::vector<float> sizes_K,
                             std::int64_t num_samples) {
  at::Tensor shift_D = at::full({centroids_KD.size(1)}, 1 + kShift, centroids_KD.options());
  shift_D.slice(0, 1, std::nullopt, 2).fill_(1 - kShift);
  std::mt19937 generator(kSplitSeed);
  std::int64_t num_empty = 0;
  for (std::size_t cluster = 0; cluster < sizes_K.size(); ++cluster) {
    if (sizes_K[cluster] != 0) continue;
    const std::size_t donor = draw_donor(sizes_K, num_samples, generator);
    const at::Tensor centroid_D = centroids_KD[static_cast<std::int64_t>(donor)];
    centroids_KD[static_cast<std::int64_t>(cluster)].copy_(centroid_D * shift_D);
    centroid_D.mul_(2 - shift_D);
    sizes_K[cluster] = sizes_K[donor] / 2;
    sizes_K[donor] -= sizes_K[cluster];
    ++num_empty;
  }
  return num_empty;
}

}  // namespace cloob
