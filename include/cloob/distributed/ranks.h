// The ranks of a run: processes on one or several machines that train or evaluate together, connected by LibTorch's c10d.
#pragma once

#include <c10/core/Device.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cloob/base/collectives.h"
#include "cloob/distributed/rank_environment.h"

namespace cloob {

class RankGroup;

struct RankTimeouts {
  std::chrono::seconds start{300};  ///< until all ranks have to be there
  std::chrono::seconds step{600};   ///< without a sign of life of a rank
};

/// With several ranks on this machine, hides the GPUs of the others from this process. To be called in main, before anything
/// of CUDA.
void see_own_gpu_only(const RankEnvironment& environment);

/// The ranks that a launcher has started; made once, in main. For a single process everything here is trivial.
class Ranks {
 public:
  explicit Ranks(RankEnvironment environment);
  ~Ranks();
  Ranks(const Ranks&) = delete;  // the group refers to it
  Ranks& operator=(const Ranks&) = delete;

  const RankEnvironment& environment() const { return environment_; }
  std::int64_t rank() const { return environment_.rank; }
  std::int64_t world_size() const { return environment_.world_size; }

  /// Connects to the other ranks, once: Gloo for tensors of the CPU, NCCL for those of a GPU. `agreement` is text that has to
  /// be the same on all ranks, such as the settings of a run. Throws UserError if a rank does not arrive in time (with
  /// its number), if one disagrees (with the first line that differs), or if the store cannot be reached.
  const Collectives& connect(c10::Device device, const RankTimeouts& timeouts, const std::string& agreement);
  /// The processors of this rank: those that it may use, divided by the ranks of this machine that may use the same. Known once
  /// the ranks are connected.
  std::int64_t processors() const;
  /// For commands that one process runs. Throws UserError if there are several.
  const Collectives& single(std::string_view command) const;

  /// Tells the other ranks why this one ends; `message` is one line.
  void report_failure(const std::string& message) noexcept;

 private:
  RankEnvironment environment_;
  SingleProcess single_;
  std::unique_ptr<RankGroup> group_;
};

}  // namespace cloob
