#include "cloob/data/limits.h"

#include <fmt/core.h>

#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"

namespace cloob {

void require_at_most(std::uint64_t limit, std::uint64_t bytes, std::string_view what) {
  if (bytes <= limit) return;
  throw BadSample(BadKind::too_large,
                  fmt::format("{} has {}, the limit is {}", what, human_bytes(bytes), human_bytes(limit)));
}

}  // namespace cloob
