// Arbitrary bytes as a MATLAB file.
#include "cloob/base/error.h"
#include "data/mat_file.h"
#include "fuzz_support.h"

namespace {

// All content together, which is not larger than what the file unpacks to.
std::uint64_t size_of(const cloob::MatArray& array) {
  std::uint64_t size = array.numbers.size() + array.text.size();
  for (const cloob::MatArray& item : array.items) size += size_of(item);
  return size;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cloob;
  static fuzz::MemoryFile file;
  file.assign(fuzz::as_bytes(data, size));
  try {
    for (const auto& [name, array] : read_mat_file(file.path())) {
      // UTF-8 takes at most three bytes for two.
      fuzz::require(size_of(array) <= 2 * kMaxMatBytes, "an array is not larger than its file may be");
      const auto per_element = std::ssize(array.field_names);
      if (array.kind == MatArray::Kind::structs)
        fuzz::require(std::ssize(array.items) == array.count * per_element, "structures are complete");
    }
  } catch (const UserError&) {
  }
  return 0;
}
