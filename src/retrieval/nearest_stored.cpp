#include "cloob/retrieval/nearest_stored.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>

#include <algorithm>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"

namespace cloob {

NearestStored nearest_stored(const at::Tensor& state_BD, const at::Tensor& stored_MD, double beta,
                             std::int64_t update_steps, std::int64_t count) {
  CLOOB_CHECK(state_BD.dim() == 2 && stored_MD.dim() == 2 && state_BD.size(1) == stored_MD.size(1),
              "state and stored patterns must be matrices with the same number of columns");
  CLOOB_CHECK(update_steps >= 1 && stored_MD.size(0) >= 1 && count >= 1,
              "{} update steps, {} stored patterns, {}", update_steps, stored_MD.size(0), count);
  const OutsideAutocast outside_autocast;
  const at::Tensor stored = at_least_fp32(stored_MD);
  at::Tensor pattern_BD = at_least_fp32(state_BD);
  for (std::int64_t step = 1; step < update_steps; ++step)
    pattern_BD = at::mm(at::softmax(beta * at::mm(pattern_BD, stored.t()), 1), stored);
  const at::Tensor log_weights_BM = at::log_softmax(beta * at::mm(pattern_BD, stored.t()), 1);
  const at::Tensor weights_BM = log_weights_BM.exp();
  const auto [sorted_BM, rows_BM] = at::sort(weights_BM, /*stable=*/true, /*dim=*/1, /*descending=*/true);
  const std::int64_t kept = std::min(count, stored.size(0));
  return {rows_BM.narrow(1, 0, kept), sorted_BM.narrow(1, 0, kept), -(weights_BM * log_weights_BM).sum(1)};
}

}  // namespace cloob
