#include "data/tar/shard_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "data/tar/shard_walk.h"

namespace cloob {
namespace {

constexpr std::size_t kMaxOpenFiles = 256;
// One read fetches a complete sample of the usual size.
constexpr std::size_t kWindowBytes = 1 << 20;

}  // namespace

ShardReader::ShardReader(std::vector<std::filesystem::path> shards, const WantedMembers& wanted,
                         const IndexOptions& options)
    : files_(std::move(shards), kMaxOpenFiles), index_(files_.paths(), wanted, options) {}

template <class Visit>
void ShardReader::visit_members(std::int64_t index, std::size_t window_bytes, const Visit& visit) const {
  const ShardIndex::Place place = index_.place(index);
  if (place.damage != nullptr) throw BadSample(BadKind::broken_shard, *place.damage);
  try {
    const auto file = files_.open(static_cast<std::size_t>(place.shard));
    const ShardIndex::Extent extent = index_.extent(place);
    FileTarInput input(*file, extent.end, window_bytes);
    TarScanner scanner(input, extent.begin);
    while (const auto member = scanner.next()) {
      MemberName name = split_member_name(member->name);
      if (!name.suffix.empty() && !visit(scanner, *member, std::move(name))) return;
    }
  } catch (const TarError& error) {  // the file has changed since it was scanned
    throw BadSample(BadKind::broken_shard, error.what());
  } catch (const UserError& error) {
    throw BadSample(BadKind::unreadable, error.what());
  }
}

ShardSample ShardReader::read(std::int64_t index, const std::vector<std::string>& suffixes) const {
  ShardSample sample;
  visit_members(index, kWindowBytes, [&](TarScanner& scanner, const TarMember& member, MemberName name) {
    sample.key = name.key;
    sample.add(scanner, member, name.suffix, suffixes);
    return true;
  });
  return sample;
}

void ShardReader::read_ahead(std::int64_t index) const {
  const ShardIndex::Place place = index_.place(index);
  try {
    const auto [begin, end] = index_.extent(place);
    files_.open(static_cast<std::size_t>(place.shard))->read_ahead(begin, end - begin);
  } catch (const UserError&) {  // reported when it is read
  }
}

std::string ShardReader::key(std::int64_t index) const {
  std::string key;
  visit_members(index, kTarBlock, [&](TarScanner&, const TarMember&, const MemberName& name) {
    key = name.key;
    return false;
  });
  return key;
}

std::string ShardReader::describe(std::int64_t index) const {
  const ShardIndex::Place place = index_.place(index);
  return fmt::format("{}, sample {}", files_.paths()[static_cast<std::size_t>(place.shard)].string(),
                     place.number);
}

}  // namespace cloob
