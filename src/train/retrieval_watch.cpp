#include "train/retrieval_watch.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "cloob/base/text.h"
#include "cloob/retrieval/recall.h"

namespace cloob {

std::optional<std::string> RetrievalWatch::advice(std::int64_t step, double entropy, double beta,
                                                  std::int64_t num_stored) {
  constexpr std::int64_t kMinSteps = 100;
  if (is_done_ || step < std::max({kMinSteps, total_steps_ / 5, retrieval_.warmup_steps}))
    return std::nullopt;
  if (regime_of(entropy, num_stored) != RetrievalRegime::mean) return std::nullopt;
  is_done_ = true;
  const std::string warmup =
      retrieval_.warmup_steps > 0
          ? "a longer retrieval.warmup_steps lets features spread first"
          : fmt::format("retrieval.warmup_steps, for example {}, lets features spread first",
                        total_steps_ / 2);
  return fmt::format(
      "after {} steps retrieval still averages nearly all stored features, whichever feature asks: with beta {:.3g} the "
      "entropy of its weights is {:.4f}, that of an average over {} of {}. If the loss stays near chance: {}, and a larger "
      "retrieval.beta tells features apart that are more alike",
      with_thousands(step), beta, entropy, with_thousands(std::llround(std::exp(entropy))),
      with_thousands(num_stored), warmup);
}

}  // namespace cloob
