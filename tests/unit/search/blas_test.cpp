// faiss calls the BLAS that its symbols are bound to: LibTorch's, not Debian's reference one, which is many times slower.

#include <dlfcn.h>

#include <string>

#include "support/support.h"

extern "C" {
int sgemm_(...);
int sgeqrf_(...);
}

namespace cloob {
namespace {

std::string library_of(int (*function)(...)) {
  Dl_info info{};
  return ::dladdr(reinterpret_cast<void*>(function), &info) != 0 ? info.dli_fname : "";
}

TEST(Blas, OfFaissIsThatOfLibTorch) {
  EXPECT_THAT(library_of(sgemm_), ::testing::HasSubstr("libtorch_cpu.so"));
  EXPECT_THAT(library_of(sgeqrf_), ::testing::HasSubstr("libtorch_cpu.so"));
}

}  // namespace
}  // namespace cloob
