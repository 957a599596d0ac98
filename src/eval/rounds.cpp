#include "eval/rounds.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <array>

namespace cloob {

void run_rounds(const RoundsOfRank& own, const EncodeOptions& options, const Collectives& collectives,
                const std::function<std::int64_t(std::int64_t batch)>& work) {
  const at::Tensor all_W2 =
      collectives.gather_rows(at::tensor({own.num_batches, own.num_items}).unsqueeze(0)).rows_ND;
  const auto rounds = all_W2.select(1, 0).max().item<std::int64_t>();
  const auto total = all_W2.select(1, 1).sum().item<std::int64_t>();
  std::int64_t done = 0;
  for (std::int64_t round = 0; round < rounds; ++round) {
    if (round < own.num_batches) done += work(round);
    const bool stops = options.stop_requested && options.stop_requested();
    const at::Tensor state = at::tensor({std::int64_t{stops}, done});
    collectives.sum_in_place(std::array{state});
    if (state[0].item<std::int64_t>() > 0) throw EvaluationStopped();
    if (options.report) {
      options.report(
          {.label = "eval", .unit = own.unit, .step = state[1].item<std::int64_t>(), .num_steps = total});
    }
  }
}

}  // namespace cloob
