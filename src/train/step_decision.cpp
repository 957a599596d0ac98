#include "train/step_decision.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <array>

namespace cloob {

StepDecision decide(const StepVote& vote, const Collectives& collectives) {
  constexpr std::int64_t kColumns = 6;
  // Counts are exact in fp64.
  const std::array<double, kColumns> own = {static_cast<double>(vote.stop_signal),
                                            vote.save_is_due ? 1.0 : 0.0,
                                            static_cast<double>(vote.num_samples),
                                            static_cast<double>(vote.num_bad),
                                            vote.own_seconds,
                                            vote.has_failed ? 1.0 : 0.0};
  const at::Tensor all =
      collectives.gather_rows(at::tensor(at::ArrayRef<double>(own)).unsqueeze(0)).rows_ND.contiguous();
  StepDecision decision;
  const double* row = all.const_data_ptr<double>();
  for (std::int64_t rank = 0; rank < all.size(0); ++rank, row += kColumns) {
    decision.stop_signal = std::max(decision.stop_signal, static_cast<int>(row[0]));
    decision.saves = decision.saves || row[1] != 0;
    decision.num_samples += static_cast<std::int64_t>(row[2]);
    decision.num_bad += static_cast<std::int64_t>(row[3]);
    decision.own_seconds.push_back(row[4]);
    decision.has_failure = decision.has_failure || row[5] != 0;
  }
  return decision;
}

}  // namespace cloob
