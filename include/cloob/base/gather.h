// The one thing that losses and retrieval need to know about a distributed run.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cloob {

/// Joins the rows of all ranks, with gradients.
class Gather {
 public:
  virtual ~Gather() = default;
  /// (B, D) of this rank -> (N, D) of all ranks in rank order. The gradient of a row reaches the rank that
  /// owns it.
  virtual at::Tensor gather(const at::Tensor& local_BD) const = 0;
  /// Row of the gathered tensor where this rank's rows begin.
  virtual std::int64_t first_row() const = 0;
};

/// A run of one process: the local rows are all rows.
class SingleProcess final : public Gather {
 public:
  at::Tensor gather(const at::Tensor& local_BD) const override { return local_BD; }
  std::int64_t first_row() const override { return 0; }
};

}  // namespace cloob
