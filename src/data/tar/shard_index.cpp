#include "cloob/data/tar/shard_index.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/parallel.h"
#include "cloob/base/text.h"
#include "cloob/data/order/sample_order.h"
#include "cloob/data/tar/index_file.h"
#include "data/tar/shard_counts.h"
#include "data/tar/shard_sample.h"
#include "data/tar/tar_scanner.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;
using SuffixCounts = std::map<std::string, std::int64_t>;

constexpr const char* kLinkAdvice = "write the shard again with 'tar --dereference --hard-dereference'";

// The shards of one folder, as indices into a list of shards, and their indexed layouts.
struct FolderIndex {
  std::vector<std::size_t> shards;
  ShardIndexes known;
  ShardIndexes known_in_cache;  // used if `known` has no up-to-date layout of a shard
  std::uint64_t scanned_bytes = 0;
};
using FolderIndexes = std::map<fs::path, FolderIndex>;

FolderIndexes by_folder(const std::vector<fs::path>& shards) {
  FolderIndexes folders;
  for (std::size_t i = 0; i < shards.size(); ++i) folders[shards[i].parent_path()].shards.push_back(i);
  return folders;
}

// Compares a shard with the count stated beside it.
void warn_of_count_mismatch(const fs::path& shard, std::int64_t samples, StatedCounts& counts) {
  const auto stated = counts.find(shard);
  if (!stated || stated->samples == samples) return;
  log_warning("data", "'{}' has {} samples, '{}' says {}: {}", shard.string(), with_thousands(samples),
              stated->file, with_thousands(stated->samples),
              samples < stated->samples ? "it may have been truncated, or copied before it was complete"
                                        : "it may have been written twice");
}

bool describes(const ShardIndexes& known, const std::string& name, const FileStamp& stamp) {
  const auto found = known.find(name);
  return found != known.end() && found->second.stamp == stamp;
}

// Scans, in parallel, the shards without an up-to-date layout.
void scan_stale(FolderIndexes& folders, const std::vector<fs::path>& shards, const IndexOptions& options) {
  struct Stale {
    std::size_t shard;
    FolderIndex* folder;
    IndexedShard scanned;
  };
  std::vector<Stale> stale;
  for (auto& [path, folder] : folders) {
    for (const std::size_t shard : folder.shards) {
      const FileStamp stamp = stamp_of(shards[shard]);
      const std::string name = shards[shard].filename().string();
      if (describes(folder.known, name, stamp)) continue;
      if (describes(folder.known_in_cache, name, stamp)) {
        folder.known.insert_or_assign(name, folder.known_in_cache.at(name));
      } else {
        stale.push_back({shard, &folder, {stamp, {}}});
      }
    }
    folder.known.merge(folder.known_in_cache);
  }
  StatedCounts stated;
  std::mutex mutex;
  std::int64_t num_done = 0;
  const auto total = static_cast<std::int64_t>(stale.size());
  parallel_for(total, options.threads, [&](std::int64_t i) {
    Stale& item = stale[static_cast<std::size_t>(i)];
    item.scanned.layout = scan_shard(shards[item.shard]);
    const std::lock_guard lock(mutex);
    ++num_done;
    if (options.progress) options.progress(num_done, total);
  });
  for (Stale& item : stale) {
    warn_of_count_mismatch(shards[item.shard], item.scanned.layout.size(), stated);
    item.folder->scanned_bytes += item.scanned.stamp.bytes;
    item.folder->known.insert_or_assign(shards[item.shard].filename().string(), std::move(item.scanned));
  }
}

// The index is an optimization: failing to save it must not stop training.
void save_indexes(const FolderIndexes& folders, const fs::path& index_folder) {
  // Shards that take seconds to scan.
  constexpr std::uint64_t kMinBytesToSave = std::uint64_t{1} << 30;
  if (index_folder.empty()) return;
  for (const auto& [path, folder] : folders) {
    if (folder.scanned_bytes < kMinBytesToSave) continue;
    try {
      make_directories(index_folder);
      write_index_file(index_path_in(index_folder, path), folder.known);
    } catch (const UserError& error) {
      log_warning("data", "the index of '{}' is not saved: {}", path.string(), error.what());
    }
  }
}

// What is wrong with the tar file; nullopt if it is intact.
std::optional<std::string> describe_damage(const ShardLayout& layout) {
  if (layout.damage.empty()) {
    if (layout.has_end_mark) return std::nullopt;
    return fmt::format("has no end mark: it may have been truncated after its {} samples",
                       with_thousands(layout.size()));
  }
  const auto places = static_cast<std::int64_t>(layout.damage.size());
  return fmt::format("is damaged: {}{}; {} of its samples are used, the damaged ones are lost",
                     layout.damage.begin()->second,
                     places > 1 ? fmt::format(", and in {} more places", with_thousands(places - 1)) : "",
                     with_thousands(layout.size() - places));
}

std::string describe_duplicate_keys(const Tally& keys) {
  return fmt::format("{} of its samples have the key of an earlier one, for example '{}'",
                     with_thousands(keys.count), keys.examples.at(0));
}

void warn_of_faults(const fs::path& shard, const ShardLayout& layout) {
  const std::string name = shard.string();
  if (const auto damage = describe_damage(layout)) log_warning("data", "'{}' {}", name, *damage);
  if (layout.num_links > 0) {
    log_warning("data", "'{}': {} of its members are links, which are left out: {}", name,
                with_thousands(layout.num_links), kLinkAdvice);
  }
  if (layout.duplicate_keys.count > 0) {
    log_warning("data", "'{}': {}; all are used, but keys should be unique: was the shard written twice?",
                name, describe_duplicate_keys(layout.duplicate_keys));
  }
}

void count_faults(const fs::path& shard, const ShardLayout& layout, SourceFaults& faults) {
  if (const auto damage = describe_damage(layout)) {
    faults.damaged_shards.add([&] { return fmt::format("'{}' {}", shard.string(), *damage); });
  }
  if (layout.duplicate_keys.count == 0) return;
  faults.duplicate_keys.add_all(
      Tally{layout.duplicate_keys.count,
            {fmt::format("'{}': {}", shard.string(), describe_duplicate_keys(layout.duplicate_keys))}});
}

// The layouts of all shards, in order; missing ones are scanned and added to `folders`.
std::vector<ShardLayout> complete_layouts(FolderIndexes& folders, const std::vector<fs::path>& shards,
                                          const IndexOptions& options) {
  scan_stale(folders, shards, options);
  std::vector<ShardLayout> layouts;
  for (const fs::path& shard : shards) {
    layouts.push_back(folders.at(shard.parent_path()).known.at(shard.filename().string()).layout);
    warn_of_faults(shard, layouts.back());
  }
  return layouts;
}

std::string list_suffixes(const SuffixCounts& suffixes) {
  std::vector<std::string> parts;
  for (const auto& [suffix, count] : suffixes) {
    parts.push_back(fmt::format(".{} ({})", suffix, with_thousands(count)));
  }
  constexpr std::size_t kMax = 12;
  if (parts.size() > kMax) {
    const std::size_t more = parts.size() - kMax;
    parts.resize(kMax);
    parts.push_back(fmt::format("{} more", more));
  }
  return parts.empty() ? "none" : join(parts, ", ");
}

std::string one_of(const std::vector<std::string>& suffixes) {
  return fmt::format(".{}", join(suffixes, " or ."));
}

bool contains_any(const std::vector<std::string>& suffixes, const std::vector<std::string>& wanted) {
  return std::ranges::find_first_of(suffixes, wanted) != suffixes.end();
}

bool has_complete_sample(const ShardLayout& layout, const WantedMembers& wanted) {
  return std::ranges::any_of(layout.kinds, [&](const auto& kind) {
    const std::vector<std::string> suffixes = split(kind.first, ',');
    return contains_any(suffixes, wanted.image) && contains_any(suffixes, wanted.companion);
  });
}

// Why no sample has all wanted members, as far as the shards tell.
std::string explain_no_sample(const std::vector<fs::path>& shards, const std::vector<ShardLayout>& layouts,
                              const SuffixCounts& counts, const WantedMembers& wanted) {
  for (std::size_t i = 0; i < layouts.size(); ++i) {
    if (layouts[i].damage.empty()) continue;
    return fmt::format("'{}' is damaged: {}", shards[i].string(), layouts[i].damage.begin()->second);
  }
  std::vector<std::string> suffixes;
  for (const auto& [suffix, count] : counts) suffixes.push_back(suffix);
  const auto has_links = [](const ShardLayout& layout) { return layout.num_links > 0; };
  const bool has_both = contains_any(suffixes, wanted.image) && contains_any(suffixes, wanted.companion);
  if (!has_both && std::ranges::any_of(layouts, has_links))
    return fmt::format("some members are links, which are left out: {}", kLinkAdvice);
  if (!has_both && (ends_in_any(suffixes, wanted.image) || ends_in_any(suffixes, wanted.companion)))
    return wanted.advice +
           ", or rename the members: the name of a sample ends at its first dot, as in webdataset";
  if (!has_both) return wanted.advice;
  return "both occur, but not together: the members of a sample must be consecutive in the shard";
}

[[noreturn]] void throw_no_usable_sample(const std::vector<fs::path>& shards,
                                         const std::vector<ShardLayout>& layouts,
                                         const WantedMembers& wanted) {
  SuffixCounts suffixes;
  for (const ShardLayout& layout : layouts) {
    for (const auto& [kind, count] : layout.kinds) {
      for (const std::string& suffix : split(kind, ',')) suffixes[suffix] += count;
    }
  }
  throw_user_error("'{}'{} no usable samples: each needs {} and {}, but the member suffixes are {}; {}",
                   shards.at(0).string(),
                   shards.size() > 1 ? fmt::format(" and {} more shards have", shards.size() - 1) : " has",
                   one_of(wanted.image), one_of(wanted.companion), list_suffixes(suffixes),
                   explain_no_sample(shards, layouts, suffixes, wanted));
}

}  // namespace

std::vector<ShardLayout> find_layouts(const std::vector<fs::path>& shards, const IndexOptions& options) {
  FolderIndexes folders = by_folder(shards);
  for (auto& [path, folder] : folders) {
    folder.known = read_index_file(index_path_beside(path));
    if (!options.folder.empty()) folder.known_in_cache = read_index_file(index_path_in(options.folder, path));
  }
  std::vector<ShardLayout> layouts = complete_layouts(folders, shards, options);
  save_indexes(folders, options.folder);
  return layouts;
}

std::vector<fs::path> update_index_files(const std::vector<fs::path>& shards, const fs::path& folder,
                                         const IndexOptions& options) {
  FolderIndexes folders = by_folder(shards);
  const auto file_of = [&](const fs::path& path) {
    return folder.empty() ? index_path_beside(path) : index_path_in(folder, path);
  };
  for (auto& [path, index] : folders) index.known = read_index_file(file_of(path));
  complete_layouts(folders, shards, options);
  std::vector<fs::path> written;
  for (const auto& [path, index] : folders) {
    write_index_file(file_of(path), index.known);
    written.push_back(file_of(path));
  }
  return written;
}

ShardIndex::ShardIndex(const std::vector<fs::path>& shards, const WantedMembers& wanted,
                       const IndexOptions& options)
    : layouts_(find_layouts(shards, options)) {
  if (std::ranges::none_of(layouts_,
                           [&](const auto& layout) { return has_complete_sample(layout, wanted); })) {
    throw_no_usable_sample(shards, layouts_, wanted);
  }
  for (const ShardLayout& layout : layouts_) first_sample_.push_back(size() + layout.size());
  for (std::size_t i = 0; i < shards.size(); ++i) count_faults(shards[i], layouts_[i], faults_);
}

void ShardIndex::add_faults(SourceFaults& faults) const {
  faults.damaged_shards.add_all(faults_.damaged_shards);
  faults.duplicate_keys.add_all(faults_.duplicate_keys);
}

std::vector<std::int64_t> ShardIndex::shard_sizes() const {
  std::vector<std::int64_t> sizes;
  for (const ShardLayout& layout : layouts_) sizes.push_back(layout.size());
  return sizes;
}

std::map<std::string, std::int64_t> ShardIndex::member_kinds() const {
  std::map<std::string, std::int64_t> kinds;
  for (const ShardLayout& layout : layouts_) {
    for (const auto& [kind, count] : layout.kinds) kinds[kind] += count;
  }
  return kinds;
}

ShardIndex::Place ShardIndex::place(std::int64_t index) const {
  CLOOB_CHECK(index >= 0 && index < size(), "sample {} of {}", index, size());
  const std::size_t shard = find_begin(first_sample_, index);
  Place place;
  place.shard = static_cast<std::int64_t>(shard);
  place.number = index - first_sample_[shard];
  const auto& damaged = layouts_[shard].damage;
  if (const auto damage = damaged.find(place.number); damage != damaged.end()) place.damage = &damage->second;
  return place;
}

ShardIndex::Extent ShardIndex::extent(const Place& place) const {
  const ShardLayout& layout = layouts_[static_cast<std::size_t>(place.shard)];
  const bool is_last = place.number + 1 == layout.size();
  std::array<std::uint32_t, 2> begins{};
  layout.begins.read(place.number, std::span(begins).first(is_last ? 1 : 2));
  return {begins[0] * kTarBlock, is_last ? layout.end : begins[1] * kTarBlock};
}

}  // namespace cloob
