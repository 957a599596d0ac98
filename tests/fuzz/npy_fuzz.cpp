// Arbitrary bytes as a matrix of NumPy.
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/npy.h"
#include "fuzz_support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cloob;
  static fuzz::MemoryFile file;
  file.assign(fuzz::as_bytes(data, size));
  try {
    const NpyMatrix matrix(file.path());
    const auto numbers = static_cast<std::size_t>(matrix.rows() * matrix.columns());
    fuzz::require(numbers <= size, "a matrix is not larger than its file");
    std::vector<float> rows(numbers);
    matrix.read(0, matrix.rows(), rows);
    fuzz::require(npy_header(matrix.rows(), matrix.columns()).size() % 64 == 0, "numbers are aligned");
  } catch (const UserError&) {
  }
  return 0;
}
