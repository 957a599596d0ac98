// Arbitrary bytes as a tar shard: the layout of its samples, and reading them one by one.
#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/tar/shard_layout.h"
#include "data/stream/stream_tar_input.h"
#include "data/tar/shard_reader.h"
#include "data/tar/shard_walk.h"
#include "fuzz_support.h"

namespace cloob {
namespace {

using fuzz::require;

// Delivers its bytes in chunks that are smaller than a block.
class MemoryStream final : public ByteStream {
 public:
  explicit MemoryStream(std::span<const std::byte> bytes) : rest_(bytes) {}

  std::size_t read(std::span<std::byte> into) override {
    constexpr std::size_t kChunkBytes = 400;
    const std::size_t count = std::min({into.size(), rest_.size(), kChunkBytes});
    std::ranges::copy(rest_.first(count), into.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  std::span<const std::byte> rest_;
};

void check_layout(const ShardLayout& layout, std::size_t file_bytes) {
  const std::vector<std::uint32_t> begins = layout.begins.all();
  require(std::ranges::adjacent_find(begins, std::ranges::greater_equal()) == begins.end(),
          "samples do not overlap");
  require(layout.end <= file_bytes, "samples are inside the file");
  require(begins.empty() || begins.back() * kTarBlock <= layout.end, "the last sample begins before its end");
  for (const auto& [number, what] : layout.damage) {
    require(number >= 0 && number < layout.size(), "damage belongs to a sample");
    require(!what.empty(), "damage is explained");
  }
}

void check_sample(const ShardSample& sample, std::size_t file_bytes) {
  require(!sample.suffixes.empty(), "a sample has members");
  std::size_t bytes = 0;
  for (const auto& [suffix, content] : sample.members) bytes += content.size();
  require(bytes <= file_bytes, "members do not overlap");
  require(sample.members.size() == sample.suffixes.size(), "no suffix occurs twice in a sample");
}

// The counts by suffixes must be those found by the scan.
void check_samples(const ShardLayout& layout, const std::filesystem::path& path, std::size_t file_bytes) {
  if (layout.kinds.empty()) return;
  const std::vector<std::string> suffixes = split(layout.kinds.begin()->first, ',');
  const ShardReader reader({path}, {suffixes, suffixes, "nothing"}, {});
  require(reader.size() == layout.size(), "a second scan finds as many samples");
  std::map<std::string, std::int64_t> kinds;
  for (std::int64_t i = 0; i < reader.size(); ++i) {
    try {
      const std::string key = reader.key(i);
      const std::vector<std::string> names = reader.read(i, {}).suffixes;
      const ShardSample sample = reader.read(i, names);
      check_sample(sample, file_bytes);
      require(sample.key == key && sample.suffixes == names, "a sample reads the same every time");
      ++kinds[join(names, ",")];
    } catch (const BadSample& bad) {
      require(bad.kind() == BadKind::broken_shard, "a damaged sample counts as a broken shard");
      require(layout.damage.contains(i), "a sample that the scan found intact can be read");
    }
  }
  require(kinds == layout.kinds, "samples have the members found by the scan");
}

// A stream reveals the end of a shard later than a file does, so damage may be counted differently.
void check_stream(const ShardLayout& layout, std::span<const std::byte> bytes) {
  MemoryStream stream(bytes);
  StreamTarInput input(stream);
  const std::vector<std::uint32_t> begins = layout.begins.all();
  TarScanner scanner(input);
  ShardWalk walk(scanner);
  std::int64_t number = 0;
  while (const auto entry = walk.next([&](const TarMember& member, const std::string&) {
    require(scanner.read(member).size() == member.size, "a member is read completely or not at all");
  })) {
    if (layout.damage.empty()) {
      require(!entry->damage && number < layout.size(), "an intact shard is intact as a stream too");
      require(entry->begin == std::uint64_t{begins[static_cast<std::size_t>(number)]} * kTarBlock,
              "samples begin at the same offsets as in the file");
    }
    ++number;
  }
  require(number == layout.size() || !layout.damage.empty(), "a stream has as many samples as the file");
}

bool has_magic(const std::uint8_t* header) { return std::memcmp(header + 257, "ustar", 5) == 0; }

void fix_checksum(std::uint8_t* header) {
  constexpr std::size_t kOffset = 148, kSize = 8;
  std::memset(header + kOffset, ' ', kSize);
  unsigned sum = 0;
  for (std::size_t i = 0; i < kTarBlock; ++i) sum += header[i];
  for (std::size_t i = 0; i < 6; ++i)
    header[kOffset + 5 - i] = static_cast<std::uint8_t>('0' + (sum >> 3 * i & 7));
}

// Copies, moves or removes complete blocks; other changes of length would misalign all headers.
std::size_t mutate_blocks(std::uint8_t* data, std::size_t size, std::size_t max_size,
                          std::minstd_rand& random) {
  const std::size_t num_blocks = size / kTarBlock;
  if (num_blocks < 2) return size;
  std::uint8_t* const from = data + random() % num_blocks * kTarBlock;
  std::uint8_t* const to = data + random() % num_blocks * kTarBlock;
  const std::size_t count = kTarBlock * (1 + random() % 3);
  std::uint8_t* const end = data + size;
  switch (random() % 3) {
    case 0:  // overwrite some blocks with others
      std::memmove(
          to, from,
          std::min({count, static_cast<std::size_t>(end - from), static_cast<std::size_t>(end - to)}));
      return size;
    case 1:  // insert a block, a copy of its successor
      if (size + kTarBlock > max_size) return size;
      std::memmove(to + kTarBlock, to, static_cast<std::size_t>(end - to));
      return size + kTarBlock;
    default: {
      const std::size_t removed = std::min(count, static_cast<std::size_t>(end - to));
      std::memmove(to, to + removed, static_cast<std::size_t>(end - to) - removed);
      return size - removed;
    }
  }
}

}  // namespace
}  // namespace cloob

// Almost every change of a header breaks its checksum, and few inputs would get past that: most are repaired.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  using namespace cloob;
  std::minstd_rand random(seed);
  if (random() % 4 == 0) {
    size = mutate_blocks(data, size, max_size, random);
  } else {
    size = LLVMFuzzerMutate(data, size, max_size);
  }
  if (random() % 8 == 0) return size;
  for (std::size_t offset = 0; offset + kTarBlock <= size; offset += kTarBlock) {
    if (has_magic(data + offset)) fix_checksum(data + offset);
  }
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cloob;
  static fuzz::MemoryFile file;
  file.assign(fuzz::as_bytes(data, size));
  try {
    const ShardLayout layout = scan_shard(file.path());
    check_layout(layout, size);
    check_samples(layout, file.path(), size);
    check_stream(layout, fuzz::as_bytes(data, size));
  } catch (const UserError&) {
  }
  return 0;
}
