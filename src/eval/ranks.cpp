#include "eval/ranks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include <algorithm>

namespace cloob {

at::Tensor ranks_in_rows(const at::Tensor& scores_NK, const at::Tensor& chosen_N) {
  const at::Tensor chosen_N1 = chosen_N.unsqueeze(1);
  const at::Tensor score_N1 = scores_NK.gather(1, chosen_N1);
  const at::Tensor column_K = at::arange(scores_NK.size(1), chosen_N.options());
  const at::Tensor before_NK = (scores_NK == score_N1).logical_and_(column_K < chosen_N1);
  return (scores_NK > score_N1).logical_or_(before_NK).sum(1);
}

std::int64_t rows_per_block(std::int64_t num_columns) {
  constexpr std::int64_t kElementsPerBlock = std::int64_t{1} << 24;
  return std::max<std::int64_t>(1, kElementsPerBlock / std::max<std::int64_t>(1, num_columns));
}

}  // namespace cloob
