#include "train/step_decision.h"

#include <ATen/ops/tensor.h>

#include <algorithm>

namespace cloob {

StepDecision decide(const StepVote& vote, const Collectives& collectives) {
  const at::Tensor own = at::tensor(
      {std::int64_t{vote.stop_signal}, std::int64_t{vote.save_is_due}, vote.num_samples, vote.num_bad});
  const at::Tensor all = collectives.gather_rows(own.unsqueeze(0)).rows_ND.cpu().contiguous();
  StepDecision decision;
  const std::int64_t* row = all.const_data_ptr<std::int64_t>();
  for (std::int64_t rank = 0; rank < all.size(0); ++rank, row += 4) {
    decision.stop_signal = std::max(decision.stop_signal, static_cast<int>(row[0]));
    decision.saves = decision.saves || row[1] != 0;
    decision.num_samples += row[2];
    decision.num_bad += row[3];
  }
  return decision;
}

}  // namespace cloob
