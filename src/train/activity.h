#pragma once

#include "cloob/base/collectives.h"

namespace cloob {

/// Announces what this rank does until the end of a block, however it is left: from then on the others expect it to get on.
class [[nodiscard]] Activity {
 public:
  Activity(const Collectives& collectives, RankActivity activity) : collectives_(collectives) {
    collectives_.announce(activity);
  }
  ~Activity() { collectives_.announce(RankActivity::step); }
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;

 private:
  const Collectives& collectives_;
};

}  // namespace cloob
