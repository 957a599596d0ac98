// Kernels for the CPU that find the best of many centroids for each row. The matrix of scores exists only in registers.
#pragma once

#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__)
#define CLOOB_HAS_X86_KERNELS 1
#else
#define CLOOB_HAS_X86_KERNELS 0
#endif

namespace cloob {

/// A panel is `panel_width` centroids side by side: their biases, then their first numbers, and so on; (dims + 1) *
/// panel_width numbers.
template <class Scalar>
struct NearestKernel {
  std::int64_t panel_width = 0;
  /// For each row the highest bias + <row, centroid>, and the number of the centroid; of equal ones the lowest. What comes of
  /// a row does not depend on the other rows of the call.
  void (*run)(const Scalar* rows, std::int64_t num_rows, std::int64_t dims, const Scalar* panels,
              std::int64_t num_panels, Scalar* scores, std::int64_t* labels) = nullptr;
};

// For float and double.
template <class Scalar>
NearestKernel<Scalar> portable_nearest_kernel();
#if CLOOB_HAS_X86_KERNELS
template <class Scalar>
NearestKernel<Scalar> avx2_nearest_kernel();
template <class Scalar>
NearestKernel<Scalar> avx512_nearest_kernel();
#endif

}  // namespace cloob
