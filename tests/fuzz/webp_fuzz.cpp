// A WebP with arbitrary chunks: still images, and animations whose frames and canvas have sizes of their own.
#include <cstring>

#include <algorithm>

#include "fuzz_support.h"
#include "image_decoding.h"

namespace cloob {
namespace {

// Where chunks begin and end: a name, a length (little-endian), the content, padded to an even size. Those inside a
// frame of an animation, which has a header of 16 bytes, count too.
std::vector<std::size_t> borders_of(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kFileHeader = 12, kChunkHeader = 8, kFrameHeader = 16;
  std::vector<std::size_t> borders;
  for (std::size_t at = kFileHeader; at + kChunkHeader <= size;) {
    borders.push_back(at);
    std::size_t length = 0;
    for (std::size_t i = 4; i > 0; --i) length = length << 8 | data[at + 3 + i];
    const bool is_frame = std::memcmp(data + at, "ANMF", 4) == 0;
    at = std::min(size, at + kChunkHeader + (is_frame ? kFrameHeader : length + length % 2));
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
  constexpr std::size_t kMaxOtherBytes = std::size_t{448} << 20;
  cloob::fuzz::check_decoding(cloob::fuzz::as_bytes(data, size), kMaxOtherBytes);
  return 0;
}
