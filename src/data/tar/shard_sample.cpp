#include "data/tar/shard_sample.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"

namespace cloob {

void ShardSample::add(TarScanner& scanner, const TarMember& member, const std::string& suffix,
                      const std::vector<std::string>& wanted) {
  constexpr std::uint64_t kMaxMemberBytes = std::uint64_t{512} << 20;
  suffixes.push_back(suffix);
  if (std::ranges::find(wanted, suffix) == wanted.end()) return;
  if (member.size > kMaxMemberBytes) {
    throw BadSample(BadKind::too_large, fmt::format("'{}' has {}", member.name, human_bytes(member.size)));
  }
  members.emplace(suffix, scanner.read(member));
}

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

}  // namespace cloob
