#pragma once

#include <stdexcept>

namespace cloob {

/// Exit status of a rank that ends because another one has failed.
inline constexpr int kExitRankFailure = 75;

/// Another rank has failed, hangs or is gone, so that this one can only end, too. The message says which and why.
class RankFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace cloob
