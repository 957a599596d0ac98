// Sequences of different lengths in one matrix, one behind the other and without padding.
//
// Shapes: T tokens of all sequences, N sequences, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace cloob {

/// Sequences of one length that follow each other.
struct SequenceGroup {
  std::int64_t count;
  std::int64_t length;
};
using SequenceGroups = std::vector<SequenceGroup>;

/// The token of every sequence that its features are read from.
enum class PooledToken { first, last };

/// (T, D) -> for each group (count, length, D), views.
std::vector<at::Tensor> split_tokens(const at::Tensor& x_TD, const SequenceGroups& groups);
/// (N, D) -> for each group (count, D), views.
std::vector<at::Tensor> split_sequences(const at::Tensor& x_ND, const SequenceGroups& groups);
/// What belongs to the groups, one behind the other; not copied where there is one group.
at::Tensor join_groups(const std::vector<at::Tensor>& parts);

/// (T, D) -> (N, D).
at::Tensor pooled_tokens(const at::Tensor& x_TD, const SequenceGroups& groups, PooledToken pooled);

}  // namespace cloob
