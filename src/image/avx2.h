// Whether this machine may run the kernels that are written with AVX2 instructions.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define CLOOB_HAS_AVX2_KERNELS 1
#else
#define CLOOB_HAS_AVX2_KERNELS 0
#endif

namespace cloob {

inline bool has_avx2() {
#if CLOOB_HAS_AVX2_KERNELS
  static const bool has = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  return has;
#else
  return false;
#endif
}

}  // namespace cloob
