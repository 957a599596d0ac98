#include "distributed/nccl_backend.h"

#include "cloob/base/error.h"
#include "distributed/process_group.h"

#ifdef CLOOB_HAS_CUDA
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace cloob {

#ifdef CLOOB_HAS_CUDA

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const RankEnvironment& environment) {
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = std::chrono::duration_cast<std::chrono::milliseconds>(kNever);
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, static_cast<int>(environment.rank),
                                                     static_cast<int>(environment.world_size), options);
}

#else

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>&,
                                                    const RankEnvironment&) {
  throw_user_error("ranks on GPUs need a program that was built with CUDA: use train.device cpu");
}

#endif

}  // namespace cloob
