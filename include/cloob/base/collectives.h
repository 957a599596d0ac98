// Communication between the ranks of a run. Everything that needs data of other ranks uses this interface, so
// that the same code runs in one process and in many.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "cloob/base/named_tensors.h"

namespace cloob {

/// The rows of all ranks, and the index of this rank's first row.
struct GatheredRows {
  at::Tensor rows_ND;
  std::int64_t first_row = 0;
};

/// What a rank does outside of collective operations. The others wait without limit while a rank reads data, evaluates or
/// saves, as long as it is alive; a step that takes longer than the time-out counts as a hang.
enum class RankActivity { start, step, data, evaluation, checkpoint };

/// Sums gradients over the ranks, while the backward pass computes them.
class GradientSums {
 public:
  virtual ~GradientSums() = default;
  /// Runs the last backward pass of a step and waits for all sums. Gradients of earlier passes are included; a parameter that
  /// no pass reaches counts as zero.
  virtual void run(const std::function<void()>& last_backward) = 0;
};

struct GradientSumOptions {
  std::int64_t bucket_bytes = std::int64_t{25} << 20;  ///< that are sent together
  bool in_bf16 = false;  ///< send half of the bytes, rounded to bf16, which is also the precision of the sums
};

/// What communication has cost this rank so far.
struct CommunicationTotals {
  double seconds = 0;      ///< in which it waited for operations, and for the ranks that were late for them
  std::int64_t bytes = 0;  ///< of the tensors that it gave to operations
};

/// Collective operations: every rank must make the same calls in the same order, also in the backward pass. They throw
/// RankFailure; on a GPU an error may show only later, as LibTorch's, where the result is used.
class Collectives {
 public:
  virtual ~Collectives() = default;
  virtual std::int64_t rank() const = 0;
  virtual std::int64_t world_size() const = 0;

  /// (B, ...) of each rank -> (N, ...) of all ranks in rank order. B may differ between ranks and may be 0.
  /// Differentiable: the gradient of a row is the sum over all ranks, and is returned to the rank that owns
  /// the row.
  virtual GatheredRows gather_rows(const at::Tensor& local_BD) const = 0;
  /// Replaces each tensor by its sum over all ranks. Shapes are the same everywhere.
  virtual void sum_in_place(std::span<const at::Tensor> tensors) const = 0;
  /// Sums the gradients of these parameters, in the order in which a backward pass reaches them, and in the same types and
  /// shapes everywhere. Null if these ranks cannot sum during a backward pass: sum the gradients in place then.
  virtual std::unique_ptr<GradientSums> gradient_sums(std::vector<at::Tensor> /*parameters*/,
                                                      const GradientSumOptions& /*options*/) const {
    return nullptr;
  }
  /// The maximum over all ranks.
  virtual double max(double number) const = 0;
  /// Tells the other ranks what this one does from now on.
  virtual void announce(RankActivity) const {}
  /// Overwrites the tensors with those of rank 0. Names and shapes are the same everywhere.
  virtual void broadcast(const NamedTensors& tensors) const = 0;
  virtual CommunicationTotals communication() const { return {}; }
};

/// A single-process run: the local rows are all rows.
class SingleProcess final : public Collectives {
 public:
  std::int64_t rank() const override { return 0; }
  std::int64_t world_size() const override { return 1; }
  GatheredRows gather_rows(const at::Tensor& local_BD) const override { return {local_BD, 0}; }
  void sum_in_place(std::span<const at::Tensor>) const override {}
  double max(double number) const override { return number; }
  void broadcast(const NamedTensors&) const override {}
};

}  // namespace cloob
