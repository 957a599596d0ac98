#include "cloob/device/device_graph.h"

#if CLOOB_HAS_CUDA
#include <ATen/cuda/CUDAGraph.h>
#endif

namespace cloob {

#if CLOOB_HAS_CUDA
namespace {

class CudaGraph final : public DeviceGraph {
 public:
  explicit CudaGraph(c10::MempoolId_t pool) : pool_(pool) {}

  void capture(const std::function<void()>& work) override {
    // A graph allocates from its own pool, which cannot reuse the memory that the allocator has cached so
    // far.
    c10::cuda::CUDACachingAllocator::emptyCache();
    // Thread-local, because the backward pass runs on one of autograd's threads.
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
  // Freeing memory during stack unwinding may query the stream, which must not be capturing then.
  void end_failed_capture() {
    try {
      graph_.capture_end();
    } catch (const c10::Error&) {  // the exception being propagated says why
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
