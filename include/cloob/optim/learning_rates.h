#pragma once

namespace cloob {

/// The learning rates of one step, before `optimizer.image` and `optimizer.text` scale them.
struct LearningRates {
  double image = 0;  ///< of the image tower
  double other = 0;  ///< of everything else: text tower, projection heads, scales
};

inline LearningRates same_for_all(double lr) { return {.image = lr, .other = lr}; }

}  // namespace cloob
