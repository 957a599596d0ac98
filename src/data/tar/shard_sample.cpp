#include "data/tar/shard_sample.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/data/limits.h"

namespace cloob {

bool ends_in_any(const std::vector<std::string>& suffixes, const std::vector<std::string>& wanted) {
  return std::ranges::any_of(suffixes, [&](const std::string& suffix) {
    return std::ranges::any_of(wanted, [&](const std::string& end) { return suffix.ends_with("." + end); });
  });
}

void ShardSample::add(TarScanner& scanner, const TarMember& member, const std::string& suffix,
                      const std::vector<std::string>& wanted) {
  suffixes.push_back(suffix);
  if (std::ranges::find(wanted, suffix) == wanted.end()) return;
  require_at_most(kMaxEncodedBytes, member.size, fmt::format("'{}'", member.name));
  bytes += member.size;
  require_at_most(kMaxEncodedBytes, bytes,
                  fmt::format("'{}' with the other members of its sample", member.name));
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
