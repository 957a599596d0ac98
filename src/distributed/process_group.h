#pragma once

#include <c10/core/Device.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <chrono>
#include <string>

#include "cloob/distributed/rank_environment.h"

namespace cloob {

// Ranks are watched; an operation alone never gives up.
inline constexpr std::chrono::hours kNever{24 * 365};

/// Whether tensors on GPUs travel through the memory of the host, by Gloo instead of NCCL: if the environment variable
/// CLOOB_GPU_BACKEND is `gloo`. Slower, but ranks may then share a GPU. Throws UserError for other values than `nccl`.
bool sends_gpu_tensors_through_host();

/// Connects the ranks for operations whose order is independent of those of other groups: by Gloo for tensors on the CPU and, if
/// the ranks compute on GPUs, by NCCL for theirs, or by Gloo as well. Throws UserError if the ranks cannot reach each other within
/// `start_timeout`.
c10::intrusive_ptr<c10d::ProcessGroup> make_process_group(const c10::intrusive_ptr<c10d::Store>& store,
                                                          const std::string& name,
                                                          const RankEnvironment& environment,
                                                          c10::Device device,
                                                          std::chrono::seconds start_timeout);

}  // namespace cloob
