// Errors of one rank in work that all ranks do together: all learn of them at the same place, and can still save together.
#pragma once

#include <exception>

#include "cloob/base/collectives.h"

namespace cloob {

/// Another rank has failed. It tells the reason when it ends.
class OtherRankFailed : public std::exception {
 public:
  const char* what() const noexcept override { return "another rank has failed"; }
};

/// Collective operations before each of which the ranks tell each other whether one of them has failed: then all others throw
/// OtherRankFailed. A failed rank calls `tell` in place of its next operation.
class TellingCollectives final : public Collectives {
 public:
  /// `inner` must outlive this.
  explicit TellingCollectives(const Collectives& inner) : inner_(inner) {}

  /// That this rank has failed. A collective operation.
  void tell() const { inner_.max(1); }
  /// Whether another one has. A collective operation, which others may leave for `tell`.
  void ask() const {
    if (inner_.max(0) > 0) throw OtherRankFailed();
  }

  std::int64_t rank() const override { return inner_.rank(); }
  std::int64_t world_size() const override { return inner_.world_size(); }
  GatheredRows gather_rows(const at::Tensor& local_BD) const override {
    ask();
    return inner_.gather_rows(local_BD);
  }
  void sum_in_place(std::span<const at::Tensor> tensors) const override {
    ask();
    inner_.sum_in_place(tensors);
  }
  double max(double number) const override {
    ask();
    return inner_.max(number);
  }
  void announce(RankActivity activity) const override { inner_.announce(activity); }
  void broadcast(const NamedTensors& tensors) const override {
    ask();
    inner_.broadcast(tensors);
  }
  CommunicationTotals communication() const override { return inner_.communication(); }

 private:
  const Collectives& inner_;
};

}  // namespace cloob
