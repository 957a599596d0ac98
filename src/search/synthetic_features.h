// Features for benchmarks: in the statistics that matter for a search like those of photographs, with no need of any.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// Rows of length 1 from a seed. All share one direction, as features of images do. Around it lie groups, of which some have many
/// more rows than others; they differ in 128 directions, in a few of them much, and so do the rows of a group, but more evenly. Two
/// rows have a cosine of 0.5 on average, two of a group one of 0.8, and the nearest ones of more.
class SyntheticFeatures {
 public:
  SyntheticFeatures(std::int64_t count, std::int64_t dims, std::uint64_t seed);

  /// The number of a block of kBlockRows rows -> the rows, fewer in the last one.
  static constexpr std::int64_t kBlockRows = 4096;
  at::Tensor block(std::int64_t number) const;
  /// Other rows of the same groups.
  at::Tensor queries(std::int64_t count) const;

 private:
  at::Tensor rows(std::int64_t count, std::uint64_t part) const;

  std::int64_t count_;
  std::uint64_t seed_;
  at::Tensor groups_GD_, directions_RD_;
};

}  // namespace cloob
