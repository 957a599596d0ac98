#include "data/shard_index.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "data/parallel.h"
#include "data/tar_scanner.h"

namespace cloob {
namespace {

using SuffixCounts = std::map<std::string, std::int64_t>;

struct ShardScan {
  std::vector<std::uint64_t> begins;
  std::uint64_t end = 0;
  std::string fault;
  std::int64_t num_complete = 0;
  SuffixCounts suffixes;
};

// Cuts the stream of members into samples.
class SampleCutter {
 public:
  SampleCutter(const WantedMembers& wanted, ShardScan& scan) : wanted_(wanted), scan_(scan) {}

  void add(const TarMember& member) {
    MemberName name = split_member_name(member.name);
    if (name.suffix.empty()) return;
    ++scan_.suffixes[name.suffix];
    if (suffixes_.empty() || name.key != key_ || suffixes_.contains(name.suffix)) {
      finish_sample();
      key_ = name.key;
      scan_.begins.push_back(member.begin);
    }
    suffixes_.insert(std::move(name.suffix));
    scan_.end = member.data_offset + member.size;
  }

  void finish_sample() {
    if (is_complete()) ++scan_.num_complete;
    suffixes_.clear();
  }

  // A sample that was still lacking something is the one that is lost; otherwise it is the one behind it.
  void mark_fault(const TarError& error) {
    if (suffixes_.empty() || is_complete()) scan_.begins.push_back(error.offset());
    finish_sample();
    scan_.fault = error.what();
  }

 private:
  bool has_one_of(const std::vector<std::string>& wanted) const {
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](const auto& suffix) { return suffixes_.contains(suffix); });
  }
  bool is_complete() const { return has_one_of(wanted_.image) && has_one_of(wanted_.companion); }

  const WantedMembers& wanted_;
  ShardScan& scan_;
  std::string key_;
  std::set<std::string> suffixes_;
};

[[noreturn]] void throw_not_a_tar_file(const RandomAccessFile& file, const TarError& error) {
  std::vector<std::byte> magic(2);
  file.read(0, magic);
  if (magic[0] == std::byte{0x1f} && magic[1] == std::byte{0x8b}) {
    throw_user_error("'{}' is compressed by gzip: unpack it first, shards are read as plain .tar",
                     file.path().string());
  }
  throw_user_error("'{}' is not a tar file: {}", file.path().string(), error.what());
}

ShardScan scan_shard(const std::filesystem::path& path, const WantedMembers& wanted) {
  constexpr std::size_t kWindowBytes = 16 << 10;   // skips large images, reads small ones along
  constexpr std::uint64_t kMostPadding = 1 << 20;  // writers fill up their last record, 10 KiB by habit
  const RandomAccessFile file(path);
  ShardScan scan;
  SampleCutter cutter(wanted, scan);
  TarScanner scanner(file, 0, file.size(), kWindowBytes);
  try {
    if (file.size() == 0) throw TarError(TarDamage::cut_short, 0, "it is empty (0 bytes)");
    while (const auto member = scanner.next()) cutter.add(*member);
    cutter.finish_sample();
    // The padding behind the last member may be missing.
    const std::uint64_t unread = file.size() > scanner.offset() ? file.size() - scanner.offset() : 0;
    if (unread > kMostPadding) {
      log_warning("data",
                  "'{}' has {} behind its end mark that are not read: are these several tar files joined?",
                  path.string(), human_bytes(unread));
    }
  } catch (const TarError& error) {
    if (error.offset() == 0 && error.damage() == TarDamage::bad_header) throw_not_a_tar_file(file, error);
    cutter.mark_fault(error);
  }
  return scan;
}

std::string list_suffixes(const SuffixCounts& suffixes) {
  std::vector<std::string> parts;
  for (const auto& [suffix, count] : suffixes) {
    parts.push_back(fmt::format(".{} ({})", suffix, with_thousands(count)));
  }
  constexpr std::size_t kMost = 12;
  if (parts.size() > kMost) {
    const std::size_t more = parts.size() - kMost;
    parts.resize(kMost);
    parts.push_back(fmt::format("{} more", more));
  }
  return parts.empty() ? "none" : join(parts, ", ");
}

std::string one_of(const std::vector<std::string>& suffixes) {
  return fmt::format(".{}", join(suffixes, " or ."));
}

// Why not one sample has all that is wanted, as far as the shards show.
std::string explain_no_sample(const std::vector<std::filesystem::path>& shards,
                              const std::vector<ShardScan>& scans, const SuffixCounts& suffixes,
                              const WantedMembers& wanted) {
  for (std::size_t i = 0; i < scans.size(); ++i) {
    if (!scans[i].fault.empty()) {
      return fmt::format("'{}' is damaged: {}", shards[i].string(), scans[i].fault);
    }
  }
  const auto occurs = [&](const std::vector<std::string>& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const auto& suffix) { return suffixes.contains(suffix); });
  };
  if (!occurs(wanted.image) || !occurs(wanted.companion)) return wanted.advice;
  return "both occur, but not side by side: the members of one sample must follow each other in the shard";
}

[[noreturn]] void throw_no_usable_sample(const std::vector<std::filesystem::path>& shards,
                                         const std::vector<ShardScan>& scans, const WantedMembers& wanted) {
  SuffixCounts suffixes;
  for (const ShardScan& scan : scans) {
    for (const auto& [suffix, count] : scan.suffixes) suffixes[suffix] += count;
  }
  throw_user_error("'{}'{} no usable sample: each needs {} and {}, the member suffixes are {}; {}",
                   shards.at(0).string(),
                   scans.size() > 1 ? fmt::format(" and {} more shards have", scans.size() - 1) : " has",
                   one_of(wanted.image), one_of(wanted.companion), list_suffixes(suffixes),
                   explain_no_sample(shards, scans, suffixes, wanted));
}

}  // namespace

MemberName split_member_name(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  const std::size_t base = slash == std::string_view::npos ? 0 : slash + 1;
  const std::size_t dot = name.find('.', base);
  if (dot == std::string_view::npos || dot == base) return {name, ""};
  return {name.substr(0, dot), to_lower_ascii(name.substr(dot + 1))};
}

ShardIndex::ShardIndex(const std::vector<std::filesystem::path>& shards, const WantedMembers& wanted,
                       std::int64_t threads) {
  std::vector<ShardScan> scans(shards.size());
  parallel_for(static_cast<std::int64_t>(shards.size()), threads, [&](std::int64_t shard) {
    const auto i = static_cast<std::size_t>(shard);
    scans[i] = scan_shard(shards[i], wanted);
  });
  const auto complete = [](std::int64_t sum, const ShardScan& scan) { return sum + scan.num_complete; };
  if (std::accumulate(scans.begin(), scans.end(), std::int64_t{0}, complete) == 0) {
    throw_no_usable_sample(shards, scans, wanted);
  }
  for (std::size_t i = 0; i < scans.size(); ++i) {
    first_sample_.push_back(size());
    begins_.insert(begins_.end(), scans[i].begins.begin(), scans[i].begins.end());
    ends_.push_back(scans[i].end);
    if (scans[i].fault.empty()) continue;
    faults_.emplace(static_cast<std::int64_t>(i), scans[i].fault);
    log_warning("data", "'{}' is damaged: {}; {} of its samples are used, what follows is lost",
                shards[i].string(), scans[i].fault,
                with_thousands(static_cast<std::int64_t>(scans[i].begins.size()) - 1));
  }
  first_sample_.push_back(size());
}

ShardIndex::Place ShardIndex::place(std::int64_t index) const {
  CLOOB_CHECK(index >= 0 && index < size(), "sample {} of {}", index, size());
  const auto after = std::upper_bound(first_sample_.begin(), first_sample_.end(), index);
  Place place;
  place.shard = after - first_sample_.begin() - 1;
  place.number = index - *std::prev(after);
  place.begin = begins_[static_cast<std::size_t>(index)];
  const bool is_last = index + 1 == *after;
  place.end =
      is_last ? ends_[static_cast<std::size_t>(place.shard)] : begins_[static_cast<std::size_t>(index) + 1];
  const auto fault = is_last ? faults_.find(place.shard) : faults_.end();
  if (fault != faults_.end()) place.fault = &fault->second;
  return place;
}

}  // namespace cloob
