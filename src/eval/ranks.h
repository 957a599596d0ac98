#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace cloob {

/// Rank, from 0, of one candidate among all in each row of scores: how many score more, plus how many score
/// the same and stand before it. `chosen_N` is the column of the candidate. Returns int64 (N).
at::Tensor ranks_in_rows(const at::Tensor& scores_NK, const at::Tensor& chosen_N);

/// Throws UserError that names the first row with a feature that is NaN or infinite. `what` says what a row
/// is: "image".
void require_finite_features(const at::Tensor& features_ND, std::string_view what);

/// Rows of a block so that a block of scores with `num_columns` columns holds about 16 million numbers.
std::int64_t rows_per_block(std::int64_t num_columns);

}  // namespace cloob
