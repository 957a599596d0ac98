#pragma once

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "cloob/distributed/ranks.h"
#include "distributed/deadline.h"
#include "distributed/rank_store.h"

namespace cloob {

class RankWatch;

/// Keeps the store until every rank that arrived has left, because rank 0 hosts it.
class StoreLease {
 public:
  StoreLease(const RankStore& store, const RankEnvironment& environment)
      : store_(store), environment_(environment) {}
  ~StoreLease();
  StoreLease(const StoreLease&) = delete;
  StoreLease& operator=(const StoreLease&) = delete;

 private:
  const RankStore& store_;
  const RankEnvironment& environment_;
};

/// The collective operations of c10d. Errors of an operation become RankFailure, with the reason that the failing rank has
/// given, if there is one.
class RankGroup final : public Collectives {
 public:
  /// See Ranks::connect.
  RankGroup(const RankEnvironment& environment, c10::Device device, const RankTimeouts& timeouts,
            const std::string& agreement);
  ~RankGroup() override;
  RankGroup(const RankGroup&) = delete;  // autograd nodes refer to it
  RankGroup& operator=(const RankGroup&) = delete;

  std::int64_t rank() const override { return environment_.rank; }
  std::int64_t world_size() const override { return environment_.world_size; }
  GatheredRows gather_rows(const at::Tensor& local_BD) const override;
  void sum_in_place(std::span<const at::Tensor> tensors) const override;
  std::unique_ptr<GradientSums> gradient_sums(std::vector<at::Tensor> parameters,
                                              const GradientSumOptions& options) const override;
  double max(double number) const override;
  void announce(RankActivity activity) const override;
  void broadcast(const NamedTensors& tensors) const override;
  CommunicationTotals communication() const override;

  std::int64_t processors() const { return processors_; }
  void report_failure(const std::string& message) noexcept;

  /// The tensors of all ranks, which have the same shape: (...) -> (W, ...), in rank order.
  at::Tensor gather_equal(const at::Tensor& local) const;
  /// Sums `rows_ND` over the ranks; returns the rows of this one.
  at::Tensor sum_and_scatter(const at::Tensor& rows_ND, const std::vector<std::int64_t>& counts) const;

 private:
  void begin_phase_of_start();
  void connect(const std::string& agreement);
  void wait_for_all(const std::string& key, const char* what) const;
  void share_processors();
  void require_agreement(const std::string& agreement) const;
  c10::intrusive_ptr<c10d::ProcessGroup> connect_process_group(const std::string& name) const;
  void connect_gpus() const;
  template <class Start>
  void run(std::span<const at::Tensor> sent, const Start& start) const;
  void sum_flat(const at::Tensor& flat) const;

  RankEnvironment environment_;
  c10::Device device_;
  RankTimeouts timeouts_;
  std::optional<Deadline> deadline_;  // of the start, and of the end: before and after the watch
  RankStore store_;
  StoreLease lease_;
  std::int64_t processors_ = 1;
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
  std::unique_ptr<RankWatch> watch_;
  mutable std::atomic<std::int64_t> bytes_ = 0;  // given to operations
};

}  // namespace cloob
