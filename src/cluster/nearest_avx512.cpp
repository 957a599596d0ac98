#include "cluster/nearest_kernels.h"

#if CLOOB_HAS_X86_KERNELS
#define CLOOB_KERNEL_BYTES 64
#define CLOOB_KERNEL_TARGET [[gnu::target("avx512f,fma")]]
#include "cluster/nearest_kernel.h"

namespace cloob {

// As many sums as there are registers for.
constexpr int kRowsAtOnce = 8, kVectorsAtOnce = 3;

template <>
NearestKernel<float> avx512_nearest_kernel() {
  return make_kernel<float, std::int32_t, kRowsAtOnce, kVectorsAtOnce>();
}

template <>
NearestKernel<double> avx512_nearest_kernel() {
  return make_kernel<double, std::int64_t, kRowsAtOnce, kVectorsAtOnce>();
}

}  // namespace cloob
#endif
