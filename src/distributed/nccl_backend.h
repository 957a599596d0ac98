#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "cloob/distributed/rank_environment.h"

namespace cloob {

/// NCCL for tensors on the current GPU of this process. The communicator is set up by the first operation. Throws UserError if the
/// program was built without CUDA.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const RankEnvironment& environment);

}  // namespace cloob
