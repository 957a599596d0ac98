// A PNG with arbitrary chunks: their sizes are claims.
#include <algorithm>

#include "fuzz_support.h"
#include "image_decoding.h"

namespace cloob {
namespace {

// Where chunks begin and end: a length (big-endian), a name, the content, a checksum.
std::vector<std::size_t> borders_of(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kSignature = 8, kAround = 12;
  std::vector<std::size_t> borders;
  for (std::size_t at = kSignature; at + kAround <= size;) {
    borders.push_back(at);
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | data[at + i];
    at = std::min(size, at + kAround + length);
  }
  borders.push_back(size);
  return borders;
}

}  // namespace
}  // namespace cloob

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  return cloob::fuzz::mutate_image(data, size, max_size, seed, &cloob::borders_of);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMaxOtherBytes = std::size_t{64} << 20;
  cloob::fuzz::check_decoding(cloob::fuzz::as_bytes(data, size), kMaxOtherBytes);
  return 0;
}
