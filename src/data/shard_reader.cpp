#include "data/shard_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "data/shard_walk.h"

namespace cloob {
namespace {

constexpr std::size_t kMostOpenFiles = 256;
// One read brings in a whole sample of the usual size.
constexpr std::size_t kWindowBytes = 1 << 20;
constexpr std::uint64_t kMostMemberBytes = std::uint64_t{512} << 20;

}  // namespace

std::optional<std::vector<std::byte>> ShardSample::take_first(const std::vector<std::string>& wanted) {
  for (const std::string& suffix : wanted) {
    if (const auto found = members.find(suffix); found != members.end()) return std::move(found->second);
  }
  return std::nullopt;
}

std::string ShardSample::describe_members() const {
  std::string text = fmt::format("'{}' has", key);
  for (const std::string& suffix : suffixes) text += " ." + suffix;
  return text;
}

ShardReader::ShardReader(std::vector<std::filesystem::path> shards, const WantedMembers& wanted,
                         const IndexOptions& options)
    : files_(std::move(shards), kMostOpenFiles), index_(files_.paths(), wanted, options) {}

template <class Visit>
void ShardReader::visit_members(std::int64_t index, std::size_t window_bytes, const Visit& visit) const {
  const ShardIndex::Place place = index_.place(index);
  if (place.damage != nullptr) throw BadSample(BadKind::broken_shard, *place.damage);
  try {
    const auto file = files_.open(static_cast<std::size_t>(place.shard));
    FileTarInput input(*file, place.end, window_bytes);
    TarScanner scanner(input, place.begin);
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
    if (std::find(suffixes.begin(), suffixes.end(), name.suffix) != suffixes.end()) {
      if (member.size > kMostMemberBytes) {
        throw BadSample(BadKind::too_large,
                        fmt::format("'{}' has {}", member.name, human_bytes(member.size)));
      }
      sample.members.emplace(name.suffix, scanner.read(member));
    }
    sample.suffixes.push_back(std::move(name.suffix));
    return true;
  });
  return sample;
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
