#include "cloob/nn/sequence_groups.h"

#include <ATen/ops/cat.h>

namespace cloob {
namespace {

// One operation for all parts: the gradient of each slice would be as large as the whole tensor.
std::vector<at::Tensor> split_rows(const at::Tensor& x, const std::vector<std::int64_t>& sizes) {
  return sizes.size() == 1 ? std::vector<at::Tensor>{x} : x.split_with_sizes(sizes, 0);
}

}  // namespace

std::vector<at::Tensor> split_tokens(const at::Tensor& x_TD, const SequenceGroups& groups) {
  std::vector<std::int64_t> sizes;
  for (const SequenceGroup& group : groups) sizes.push_back(group.count * group.length);
  std::vector<at::Tensor> parts = split_rows(x_TD, sizes);
  for (std::size_t i = 0; i < parts.size(); ++i)
    parts[i] = parts[i].unflatten(0, {groups[i].count, groups[i].length});
  return parts;
}

std::vector<at::Tensor> split_sequences(const at::Tensor& x_ND, const SequenceGroups& groups) {
  std::vector<std::int64_t> sizes;
  for (const SequenceGroup& group : groups) sizes.push_back(group.count);
  return split_rows(x_ND, sizes);
}

at::Tensor join_groups(const std::vector<at::Tensor>& parts) {
  return parts.size() == 1 ? parts.front() : at::cat(parts, 0);
}

at::Tensor pooled_tokens(const at::Tensor& x_TD, const SequenceGroups& groups, PooledToken pooled) {
  std::vector<at::Tensor> parts = split_tokens(x_TD, groups);
  for (at::Tensor& part_CLD : parts) part_CLD = part_CLD.select(1, pooled == PooledToken::first ? 0 : -1);
  return join_groups(parts);
}

}  // namespace cloob
