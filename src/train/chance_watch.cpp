#include "train/chance_watch.h"

#include <fmt/core.h>

#include "cloob/base/text.h"

namespace cloob {

std::optional<std::string> ChanceWatch::advice(std::int64_t step, double loss, double chance_loss) {
  constexpr std::int64_t kMinSteps = 100;
  if (is_done_ || step < kMinSteps || step < total_steps_ / 5) return std::nullopt;
  is_done_ = true;
  if (loss < kLearnedShareOfChance * chance_loss) return std::nullopt;
  const std::string advice =
      needs_warmup_ ? fmt::format("start the retrieval gradually with retrieval.warmup_steps, for example {}",
                                  total_steps_ / 2)
                    : "the learning rate may be too high, or the captions may not belong to their images";
  return fmt::format("after {} steps the loss, {:.4f}, is still that of chance, {:.4f}: {}",
                     with_thousands(step), loss, chance_loss, advice);
}

}  // namespace cloob
