// Softmax-weighted averages of rows, without the matrix of weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// Softmax-weighted averages of stored rows, from scores z that arrive in tiles (online softmax): the weights
/// are exp(z - m), where m is the largest z so far, and the sums are rescaled whenever m grows (Milakov and
/// Gimelshein, 2018; Dao et al., 2022). Scores of minus infinity have no weight; an average without any weight
/// is zero, and its `log_sum_B1` minus infinity.
class RunningAverage {
 public:
  /// `num_averages` averages of rows of `stored_MD`, of which only width, dtype and device matter here.
  RunningAverage(std::int64_t num_averages, const at::Tensor& stored_MD);
  /// Adds the scores of some stored rows for the averages starting at `first`. `weights_RC` is scratch memory
  /// of the same size; it may be `scores_RC` itself.
  void add(std::int64_t first, const at::Tensor& scores_RC, const at::Tensor& stored_CD,
           at::Tensor weights_RC);
  /// Completes the averages. Call it once.
  void finish();

  at::Tensor average_BD;  ///< after `finish`
  at::Tensor log_sum_B1;  ///< log sum_j exp(z_ij), after `finish`

 private:
  at::Tensor max_B1_;
  at::Tensor sum_B1_;
};

}  // namespace cloob
