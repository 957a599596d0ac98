#include "eval/ranks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include <algorithm>

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {

at::Tensor ranks_in_rows(const at::Tensor& scores_NK, const at::Tensor& chosen_N) {
  const at::Tensor chosen_N1 = chosen_N.unsqueeze(1);
  const at::Tensor score_N1 = scores_NK.gather(1, chosen_N1);
  const at::Tensor column_K = at::arange(scores_NK.size(1), chosen_N.options());
  const at::Tensor before_NK = (scores_NK == score_N1).logical_and_(column_K < chosen_N1);
  return (scores_NK > score_N1).logical_or_(before_NK).sum(1);
}

void require_finite_features(const at::Tensor& features_ND, std::string_view what) {
  const at::Tensor bad_N = features_ND.isfinite().all(1).logical_not();
  const auto num_bad = bad_N.sum().item<std::int64_t>();
  if (num_bad == 0) return;
  throw_user_error(
      "the features of {} of {} {}s are not finite, starting with {} {}: the weights are broken (a diverged "
      "run?) or the precision is too low",
      with_thousands(num_bad), with_thousands(bad_N.size(0)), what, what,
      bad_N.to(at::kByte).argmax().item<std::int64_t>());
}

std::int64_t rows_per_block(std::int64_t num_columns) {
  constexpr std::int64_t kElementsPerBlock = std::int64_t{1} << 24;
  return std::max<std::int64_t>(1, kElementsPerBlock / std::max<std::int64_t>(1, num_columns));
}

}  // namespace cloob
