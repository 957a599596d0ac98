#pragma once

#include <ATen/core/Tensor.h>

namespace cloob {

/// For each row of scores, the rank (from 0) of one candidate among all: the number of higher scores plus the
/// number of equal scores in earlier columns. `chosen_N` is the column of the candidate. Returns int64 (N).
at::Tensor ranks_in_rows(const at::Tensor& scores_NK, const at::Tensor& chosen_N);

/// The number of rows for which a block of scores with `num_columns` columns has about 16 million elements.
std::int64_t rows_per_block(std::int64_t num_columns);

}  // namespace cloob
