#include "cloob/nn/device_graph.h"

#if CLOOB_HAS_CUDA
#include <ATen/cuda/CUDAGraph.h>
#endif

namespace cloob {

#if CLOOB_HAS_CUDA
namespace {

class CudaGraph final : public DeviceGraph {
 public:
  explicit CudaGraph(c10::MempoolId_t pool) : pool_(pool) {}

  void record(const std::function<void()>& work) override {
    // A recording has memory of its own, which would not come from what the allocator has kept so far.
    c10::cuda::CUDACachingAllocator::emptyCache();
    // A backward pass runs on a thread of autograd's.
    graph_.capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      end_failed_capture();
      throw;
    }
    graph_.capture_end();
  }
  void replay() override { graph_.replay(); }

 private:
  // Memory that is freed while the exception travels may ask the stream, which must not be recording then.
  void end_failed_capture() {
    try {
      graph_.capture_end();
    } catch (const c10::Error&) {  // the reason is the exception that travels
    }
  }

  c10::MempoolId_t pool_;
  at::cuda::CUDAGraph graph_;
};

}  // namespace
#endif

GraphFactory graphs_of(c10::Device device) {
#if CLOOB_HAS_CUDA
  if (device.is_cuda()) {
    return [pool = at::cuda::graph_pool_handle()] { return std::make_unique<CudaGraph>(pool); };
  }
#endif
  static_cast<void>(device);
  return {};
}

}  // namespace cloob
