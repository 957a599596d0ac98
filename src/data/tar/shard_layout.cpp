#include "cloob/data/tar/shard_layout.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/first_bytes.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "data/file_content.h"
#include "data/tar/duplicate_keys.h"
#include "data/tar/shard_walk.h"

namespace cloob {
namespace {

std::uint32_t block_of(std::uint64_t offset) {
  const std::uint64_t block = offset / kTarBlock;
  if (block > UINT32_MAX) throw_user_error("a shard of more than 2 TiB cannot be read");
  return static_cast<std::uint32_t>(block);
}

[[noreturn]] void throw_not_a_tar_file(const RandomAccessFile& file, const TarError& error) {
  const auto other =
      describe_other_content(first_bytes_of(file, kOtherContentBytes), ExpectedContent::shard, file.path());
  if (other) throw_user_error("'{}' is not a tar file: it {}", file.path().string(), *other);
  throw_user_error("'{}' is not a tar file: {}", file.path().string(), error.what());
}

void warn_of_trailing_data(const RandomAccessFile& file, const TarScanner& scanner) {
  constexpr std::uint64_t kMaxPadding = 1 << 20;  // writers pad the last record, usually to 10 KiB
  if (!scanner.has_end_mark()) return;
  const std::uint64_t unread = file.size() - scanner.offset();
  std::vector<std::byte> padding(static_cast<std::size_t>(std::min(unread, kMaxPadding)));
  file.read(scanner.offset(), padding);
  const bool is_padding = std::ranges::all_of(padding, [](std::byte value) { return value == std::byte{0}; });
  if (is_padding && unread <= kMaxPadding) return;
  log_warning("data", "'{}' has {} after its end mark that are not read: no tar file begins there",
              file.path().string(), human_bytes(unread));
}

}  // namespace

ShardLayout scan_shard(const std::filesystem::path& path) {
  constexpr std::size_t kWindowBytes = 16 << 10;  // skips over large images, reads small ones along
  const RandomAccessFile file(path);
  FileTarInput input(file, file.size(), kWindowBytes);
  TarScanner scanner(input);
  ShardWalk walk(scanner);
  std::vector<std::uint32_t> begins;
  ShardLayout layout;
  DuplicateKeys duplicate_keys(layout.duplicate_keys);
  ShardEntry last;
  try {
    while (auto entry = walk.next()) {
      // The entry after a damaged member may be the rest of the same sample.
      const bool is_rest = last.damage && entry->key == last.key;
      if (!entry->key.empty() && !is_rest) duplicate_keys.add(entry->key);
      if (entry->damage) {
        layout.damage[static_cast<std::int64_t>(begins.size())] = *entry->damage;
      } else {
        ++layout.kinds[join(entry->suffixes, ",")];
      }
      begins.push_back(block_of(entry->begin));
      layout.end = std::max(layout.end, entry->end);
      if (entry->key.empty()) entry->key = last.key;
      last = *std::move(entry);
    }
  } catch (const TarError& error) {
    throw_not_a_tar_file(file, error);
  }
  layout.has_end_mark = scanner.has_end_mark();
  layout.num_links = scanner.num_links();
  warn_of_trailing_data(file, scanner);
  layout.begins = SampleBegins(std::move(begins));
  return layout;
}

}  // namespace cloob
