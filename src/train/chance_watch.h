// Notices runs that learn nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace cloob {

/// A loss above this share of the chance level shows that nothing was learned.
inline constexpr double kLearnedShareOfChance = 0.98;

/// Runs stay at the loss of chance if the learning rate is far too high, and, on few data, with retrieval: it averages all
/// features while they are still random, which leaves little to learn from.
class ChanceWatch {
 public:
  /// `needs_warmup`: whether the run has a retrieval that starts at full strength.
  ChanceWatch(bool needs_warmup, std::int64_t total_steps)
      : needs_warmup_(needs_warmup), total_steps_(total_steps) {}

  /// Advice, once, if a fifth of the run has passed and the mean loss of the last steps is still that of chance.
  std::optional<std::string> advice(std::int64_t step, double loss, double chance_loss);

 private:
  bool needs_warmup_;
  bool is_done_ = false;
  std::int64_t total_steps_;
};

}  // namespace cloob
