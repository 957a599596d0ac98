// A JPEG with arbitrary segments and any number of scans.
#include "fuzz_support.h"
#include "image_decoding.h"

namespace cloob {
namespace {

// Where segments begin: at a marker. A scan belongs to the segment before it.
std::vector<std::size_t> borders_of(const std::uint8_t* data, std::size_t size) {
  std::vector<std::size_t> borders;
  for (std::size_t at = 2; at + 1 < size; ++at) {
    const bool is_marker = data[at] == 0xff && data[at + 1] >= 0xc0 && data[at + 1] != 0xff;
    const bool is_restart = data[at + 1] >= 0xd0 && data[at + 1] < 0xd8;
    if (is_marker && !is_restart) borders.push_back(at);
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
