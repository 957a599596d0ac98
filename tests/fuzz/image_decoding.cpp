#include "image_decoding.h"

#include <sanitizer/allocator_interface.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "cloob/image/decode.h"
#include "fuzz_support.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace cloob::fuzz {
namespace {

std::atomic<std::int64_t> allocated = 0, peak = 0;

void count_allocation(const volatile void* /*block*/, std::size_t size) {
  const std::int64_t now = allocated += static_cast<std::int64_t>(size);
  if (now > peak) peak = now;
}

void count_release(const volatile void* block) {
  if (block != nullptr)
    allocated -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(const_cast<const void*>(block)));
}

// Returns the peak of what `action` allocates, also if it throws DecodeError.
template <class Action>
std::int64_t peak_of(const Action& action) {
  static const bool installed =
      __sanitizer_install_malloc_and_free_hooks(count_allocation, count_release) != 0;
  require(installed, "allocations can be counted");
  allocated = peak = 0;
  try {
    action();
  } catch (const DecodeError&) {
  }
  return peak;
}

}  // namespace

void check_decoding(std::span<const std::byte> bytes, std::size_t max_other_bytes) {
  constexpr std::int64_t kMaxPixels = 1 << 18;
  ImageSize size;
  const std::int64_t header_bytes = peak_of([&] { size = image_size_of(bytes); });
  require(header_bytes <= static_cast<std::int64_t>(max_other_bytes), "the header takes little memory");
  const std::int64_t pixels = std::int64_t{size.height} * size.width;
  if (pixels == 0 || pixels > kMaxPixels) return;
  const std::int64_t promised = 12 * pixels + static_cast<std::int64_t>(max_other_bytes);
  const std::int64_t full_bytes = peak_of([&] {
    const ImageU8 image = decode_image(bytes);
    require(image.size() == size, "a decoded image has the size in its header");
    require(image.pixels.size() == 3 * static_cast<std::size_t>(pixels),
            "a decoded image has all its pixels");
  });
  require(full_bytes <= promised, "decoding takes at most the memory promised");
  require(peak_of([&] { decode_image_reduced(bytes, 8); }) <= promised, "so does decoding at a reduced size");
}

std::size_t mutate_parts(std::uint8_t* data, std::size_t size, std::size_t max_size,
                         const std::vector<std::size_t>& borders, std::minstd_rand& random) {
  if (borders.size() < 2) return size;
  const std::size_t part = random() % (borders.size() - 1);
  const std::size_t begin = borders[part], end = borders[part + 1], count = end - begin;
  switch (random() % 3) {
    case 0:
      std::memmove(data + begin, data + end, size - end);
      return size - count;
    case 1:
      if (size + count > max_size) return size;
      std::memmove(data + end, data + begin, size - begin);
      return size + count;
    default: {
      const std::size_t to = borders[random() % borders.size()];
      std::memmove(data + to, data + begin, std::min(count, size - to));
      return size;
    }
  }
}

std::size_t mutate_image(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned int seed,
                         BordersOf borders_of) {
  std::minstd_rand random(seed);
  if (random() % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
  return mutate_parts(data, size, max_size, borders_of(data, size), random);
}

}  // namespace cloob::fuzz
