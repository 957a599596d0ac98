#include "train/stream_counts.h"

#include <ATen/ops/tensor.h>
#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

std::string first_difference(const std::vector<std::string>& of_rank_0, const std::vector<std::string>& own) {
  if (of_rank_0.size() != own.size())
    return fmt::format("rank 0 has {} shards, this one has {}", of_rank_0.size(), own.size());
  const auto [theirs, ours] = std::ranges::mismatch(of_rank_0, own);
  return fmt::format("rank 0 has '{}', this one has '{}'", *theirs, *ours);
}

// Before rank 0 counts, which may take hours.
void require_same_streams(const std::vector<std::string>& names, const Collectives& collectives) {
  const std::string end(1, '\0');  // commands may have several lines
  const std::string own = join(names, end), of_rank_0 = broadcast_text(collectives, own);
  const bool is_same = own == of_rank_0;
  if (collectives.max(is_same ? 0 : 1) == 0) return;
  throw_user_error("the ranks do not have the same data: {}",
                   is_same ? "data.train names other shards on another rank"
                           : first_difference(split(of_rank_0, '\0'), names));
}

}  // namespace

StreamCounting counting_by_rank_0(const Collectives& collectives) {
  return [&collectives](const std::vector<std::string>& names,
                        const std::function<std::vector<std::int64_t>()>& count) {
    if (collectives.world_size() == 1) return count();
    require_same_streams(names, collectives);
    const at::Tensor counts =
        at::tensor(collectives.rank() == 0 ? count() : std::vector<std::int64_t>(names.size()), at::kLong);
    collectives.broadcast({{"counts", counts}});
    const auto* const first = counts.const_data_ptr<std::int64_t>();
    return std::vector<std::int64_t>(first, first + counts.numel());
  };
}

}  // namespace cloob
