// Sequences of different lengths packed into one matrix, without padding.
//
// Shapes: T tokens of all sequences, N sequences, D features.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace cloob {

/// Consecutive sequences of the same length.
struct SequenceGroup {
  std::int64_t count;
  std::int64_t length;
};
using SequenceGroups = std::vector<SequenceGroup>;

/// Which token of a sequence its features are taken from.
enum class PooledToken { first, last };

/// (T, D) -> a view (count, length, D) for each group.
std::vector<at::Tensor> split_tokens(const at::Tensor& x_TD, const SequenceGroups& groups);
/// (N, D) -> a view (count, D) for each group.
std::vector<at::Tensor> split_sequences(const at::Tensor& x_ND, const SequenceGroups& groups);
/// Concatenates the tensors of the groups; a single group is not copied.
at::Tensor join_groups(const std::vector<at::Tensor>& parts);

/// (T, D) -> (N, D).
at::Tensor pooled_tokens(const at::Tensor& x_TD, const SequenceGroups& groups, PooledToken pooled);

}  // namespace cloob
