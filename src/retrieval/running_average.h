// What both kinds of association are made of.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// Averages of stored patterns with softmax weights, whose similarities come in tiles: the weights are exp(z
/// - m), where m is the largest z so far, and what has been added up is scaled down whenever that grows
/// (Milakov and Gimelshein, 2018; Dao et al., 2022).
class RunningAverage {
 public:
  explicit RunningAverage(const at::Tensor& state_BD);
  /// The similarities of states from `first` on to some stored patterns. `weights_RC` is scratch of their
  /// size, which may be they themselves.
  void add(std::int64_t first, const at::Tensor& similarities_RC, const at::Tensor& stored_CD,
           at::Tensor weights_RC);
  /// Ends the sums. To be called once.
  void finish();

  at::Tensor average_BD;  ///< behind `finish`
  at::Tensor log_sum_B1;  ///< log sum_j exp(z_ij), behind `finish`

 private:
  at::Tensor largest_B1_;
  at::Tensor sum_B1_;
};

/// Gives rows unit length in place and returns the lengths that they had, at least 1e-12 as in unit_rows.
at::Tensor make_unit_rows(const at::Tensor& rows_BD);

/// The gradient of rows before they were given unit length, and its products with those rows.
struct RowGradient {
  at::Tensor grad_BD;
  at::Tensor along_B1;
};
RowGradient before_unit_length(const at::Tensor& grad_BD, const at::Tensor& unit_BD,
                               const at::Tensor& length_B1);

}  // namespace cloob
