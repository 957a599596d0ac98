#include "eval/rounds.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <fmt/core.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/host_name.h"

namespace cloob {
namespace {

// The mistake of the first rank that found one, on all: then none waits for the others, and a command may go on with other data.
[[noreturn]] void throw_on_all(const std::optional<std::string>& own, const Collectives& collectives) {
  const std::string named = fmt::format("rank {} of {} on {} failed: {}", collectives.rank(),
                                        collectives.world_size(), host_name(), own.value_or(""));
  const std::vector<std::string> mistakes = gather_texts(collectives, own ? named : "");
  if (own) throw UserError(*own);
  for (const std::string& mistake : mistakes) {
    if (!mistake.empty()) throw UserError(mistake);
  }
  throw_user_error("a rank could not evaluate");
}

}  // namespace

void run_rounds(const RoundsOfRank& own, const EncodeOptions& options, const Collectives& collectives,
                const std::function<std::int64_t(std::int64_t batch)>& work) {
  const at::Tensor all_W2 =
      collectives.gather_rows(at::tensor({own.num_batches, own.num_items}).unsqueeze(0)).rows_ND;
  const auto rounds = all_W2.select(1, 0).max().item<std::int64_t>();
  const auto total = all_W2.select(1, 1).sum().item<std::int64_t>();
  std::int64_t done = 0;
  for (std::int64_t round = 0; round < rounds; ++round) {
    std::optional<std::string> mistake;
    try {
      if (round < own.num_batches) done += work(round);
    } catch (const UserError& error) {
      if (collectives.world_size() == 1) throw;
      mistake = error.what();
    }
    const bool stops = options.stop_requested && options.stop_requested();
    const at::Tensor state = at::tensor({std::int64_t{stops}, done, std::int64_t{mistake.has_value()}});
    collectives.sum_in_place(std::array{state});
    if (state[2].item<std::int64_t>() > 0) throw_on_all(mistake, collectives);
    if (state[0].item<std::int64_t>() > 0) throw EvaluationStopped();
    if (options.report) {
      options.report(
          {.label = "eval", .unit = own.unit, .step = state[1].item<std::int64_t>(), .num_steps = total});
    }
  }
}

}  // namespace cloob
