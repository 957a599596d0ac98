#include "cloob/task/reco_config.h"

#include <algorithm>

#include "cloob/base/error.h"

namespace cloob {

std::int64_t RecoConfig::heads_of(std::int64_t dims) const {
  constexpr std::int64_t kHeadWidth = 64;
  if (!heads) {
    const std::int64_t usual = std::max<std::int64_t>(1, dims / kHeadWidth);
    return dims % usual == 0 ? usual : 1;
  }
  if (dims % *heads != 0)
    throw_user_error("reco.heads is {}, but features of {} dimensions cannot be divided by it", *heads, dims);
  return *heads;
}

}  // namespace cloob
