#define CLOOB_KERNEL_BYTES 16
#define CLOOB_KERNEL_TARGET
#include "cluster/nearest_kernel.h"

namespace cloob {

// As many sums as there are registers for.
constexpr int kRowsAtOnce = 2, kVectorsAtOnce = 4;

template <>
NearestKernel<float> portable_nearest_kernel() {
  return make_kernel<float, std::int32_t, kRowsAtOnce, kVectorsAtOnce>();
}

template <>
NearestKernel<double> portable_nearest_kernel() {
  return make_kernel<double, std::int64_t, kRowsAtOnce, kVectorsAtOnce>();
}

}  // namespace cloob
