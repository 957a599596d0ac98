// Arbitrary bytes as an index file of shards.
#include <zlib.h>

#include <cstring>

#include "cloob/data/tar/index_file.h"
#include "data/tar/tar_scanner.h"
#include "fuzz_support.h"

namespace cloob {
namespace {

using fuzz::require;

constexpr std::size_t kPreambleBytes = 32, kChecksumPlace = 12;

void check(const ShardLayout& layout, const FileStamp& stamp) {
  const std::vector<std::uint32_t> begins = layout.begins.all();
  require(std::ranges::adjacent_find(begins, std::ranges::greater_equal()) == begins.end(),
          "samples do not overlap");
  require(layout.end <= stamp.bytes, "samples are inside the file");
  require(begins.empty() || begins.back() * kTarBlock <= layout.end, "the last sample begins before its end");
  std::int64_t num_intact = 0;
  for (const auto& [kind, count] : layout.kinds) num_intact += count;
  require(num_intact + static_cast<std::int64_t>(layout.damage.size()) == layout.size(),
          "every sample is counted");
  for (const auto& [number, what] : layout.damage)
    require(number >= 0 && number < layout.size(), "damage belongs to a sample");
  require(layout.duplicate_keys.count == 0 || !layout.duplicate_keys.examples.empty(),
          "the first one is named");
}

}  // namespace
}  // namespace cloob

// Every change breaks the checksum, and nothing would get past that: most are repaired.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  using namespace cloob;
  size = LLVMFuzzerMutate(data, size, max_size);
  if (size < kPreambleBytes || seed % 8 == 0) return size;
  std::memset(data + kChecksumPlace, 0, sizeof(std::uint32_t));
  const auto checksum = static_cast<std::uint32_t>(crc32_z(0, data, size));
  std::memcpy(data + kChecksumPlace, &checksum, sizeof(checksum));
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cloob;
  static fuzz::MemoryFile file;
  file.assign(fuzz::as_bytes(data, size));
  for (const auto& [name, shard] : read_index_file(file.path())) check(shard.layout, shard.stamp);
  return 0;
}
