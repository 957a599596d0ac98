// What the fuzz targets of image decoders share: decoding under the promise of kMaxDecodeBytes, and mutations that keep
// the structure of a file, because the libraries are not instrumented and coverage does not guide the fuzzer into them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace cloob::fuzz {

/// Decodes an image of up to 2^18 pixels, at full size and reduced, and checks its size and that the memory allocated
/// meanwhile is at most 12 bytes per pixel and `max_other_bytes`.
void check_decoding(std::span<const std::byte> bytes, std::size_t max_other_bytes);

/// Where the parts of a file of one format begin and end, sorted.
using BordersOf = std::vector<std::size_t> (*)(const std::uint8_t* data, std::size_t size);

/// LLVMFuzzerCustomMutator of a format: every other time `mutate_parts`, else libFuzzer's own mutations.
std::size_t mutate_image(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned int seed,
                         BordersOf borders_of);

/// Removes, repeats or overwrites a part of the file that begins and ends at offsets in `borders` (sorted, each at most
/// `size`). Returns the new size, at most `max_size`.
std::size_t mutate_parts(std::uint8_t* data, std::size_t size, std::size_t max_size,
                         const std::vector<std::size_t>& borders, std::minstd_rand& random);

}  // namespace cloob::fuzz
