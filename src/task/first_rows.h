// Rows that several ranks, or a wrapped last batch, have more than once.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/diff.h>
#include <ATen/ops/full.h>

namespace cloob {

/// Numbers of rows (m), int64 on the CPU -> the first row of each number (n), in the order of the numbers.
inline at::Tensor first_rows_of(const at::Tensor& numbers_m) {
  const auto [sorted_m, rows_m] = numbers_m.sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  if (sorted_m.numel() == 0) return rows_m;
  const at::Tensor is_first_m = at::cat({at::full({1}, true, at::kBool), at::diff(sorted_m).ne(0)});
  return rows_m.masked_select(is_first_m);
}

}  // namespace cloob
