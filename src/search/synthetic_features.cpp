// Shapes: N rows, D features, G groups, R directions of noise.
#include "search/synthetic_features.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cmath>

#include "cloob/base/full_precision.h"
#include "cloob/base/random.h"

namespace cloob {
namespace {

at::Generator generator_of(std::uint64_t seed, std::uint64_t part) {
  return at::make_generator<at::CPUGeneratorImpl>(mix_bits({seed, part}));
}

// Parts of the seed; blocks of rows come after these.
enum Part : std::uint64_t { of_groups, of_directions, of_queries, of_blocks };

}  // namespace

SyntheticFeatures::SyntheticFeatures(std::int64_t count, std::int64_t dims, std::uint64_t seed)
    : count_(count), seed_(seed) {
  // Squared lengths: 0.5 of what all share, 0.3 of the group, 0.2 of the row.
  constexpr double kShared = 0.5, kGroup = 0.3, kRow = 0.2;
  constexpr std::int64_t kRowsOfGroup = 50, kMaxGroups = 50'000, kMaxDirections = 128;
  const std::int64_t groups = std::clamp<std::int64_t>(count / kRowsOfGroup, 1, kMaxGroups);
  const std::int64_t directions = std::min(kMaxDirections, dims);
  const at::Tensor directions_RD =
      unit_rows(at::randn({directions, dims}, generator_of(seed, of_directions)));
  const at::Tensor numbers_R1 = (at::arange(directions, at::kFloat) + 1).unsqueeze(1);
  // Variances that fall as 1 / j and as its root, and sum up to the squared length.
  const auto of_variances = [&](const at::Tensor& variances_R1, double squared_length) {
    return directions_RD * (squared_length * variances_R1 / variances_R1.sum()).sqrt();
  };
  const at::Generator generator = generator_of(seed, of_groups);
  const at::Tensor shared_1D = std::sqrt(kShared) * unit_rows(at::randn({1, dims}, generator));
  groups_GD_ =
      at::matmul(at::randn({groups, directions}, generator), of_variances(numbers_R1.reciprocal(), kGroup)) +
      shared_1D;
  directions_RD_ = of_variances(numbers_R1.rsqrt(), kRow);
}

at::Tensor SyntheticFeatures::rows(std::int64_t count, std::uint64_t part) const {
  const at::Generator generator = generator_of(seed_, part);
  // The square of a uniform number: the first groups have the most rows.
  const at::Tensor groups_N = (at::rand({count}, generator).square() * groups_GD_.size(0))
                                  .to(at::kLong)
                                  .clamp_max(groups_GD_.size(0) - 1);
  const at::Tensor noise_ND =
      at::matmul(at::randn({count, directions_RD_.size(0)}, generator), directions_RD_);
  return unit_rows(noise_ND + groups_GD_.index_select(0, groups_N));
}

at::Tensor SyntheticFeatures::block(std::int64_t number) const {
  return rows(std::min(kBlockRows, count_ - number * kBlockRows),
              of_blocks + static_cast<std::uint64_t>(number));
}

at::Tensor SyntheticFeatures::queries(std::int64_t count) const { return rows(count, of_queries); }

}  // namespace cloob
