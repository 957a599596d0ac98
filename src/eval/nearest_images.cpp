#include "cloob/eval/nearest_images.h"

#include <ATen/ops/mm.h>
#include <ATen/ops/sort.h>

#include <algorithm>

#include "cloob/base/error.h"

namespace cloob {

NearestImages nearest_images(const at::Tensor& query_QD, const at::Tensor& image_ND,
                             const std::vector<std::optional<std::int64_t>>& true_rows, std::int64_t count) {
  CLOOB_CHECK(query_QD.size(0) == std::ssize(true_rows) && image_ND.size(0) >= 1 && count >= 1,
              "{} queries, {} true rows, {} images", query_QD.size(0), true_rows.size(), image_ND.size(0));
  const at::Tensor scores_QN = at::mm(query_QD, image_ND.t());
  const at::Tensor order_QN =
      std::get<1>(at::sort(scores_QN, /*stable=*/true, /*dim=*/1, /*descending=*/true)).contiguous();
  NearestImages nearest{.rows_QK = order_QN.narrow(1, 0, std::min(count, image_ND.size(0))),
                        .rank_of_true = {}};
  for (std::size_t query = 0; query < true_rows.size(); ++query) {
    const auto* rows =
        order_QN.data_ptr<std::int64_t>() + static_cast<std::int64_t>(query) * image_ND.size(0);
    nearest.rank_of_true.push_back(
        true_rows[query]
            ? std::optional(std::find(rows, rows + image_ND.size(0), *true_rows[query]) - rows + 1)
            : std::nullopt);
  }
  return nearest;
}

}  // namespace cloob
