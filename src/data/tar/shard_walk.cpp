#include "data/tar/shard_walk.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {

MemberName split_member_name(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  const std::size_t base = slash == std::string_view::npos ? 0 : slash + 1;
  const std::size_t dot = name.find('.', base);
  if (dot == std::string_view::npos || dot == base) return {name, ""};
  return {name.substr(0, dot), to_lower_ascii(name.substr(dot + 1))};
}

constexpr std::size_t kMaxMembers = 1000;  // of a sample, which normally has a few

std::optional<TarMember> ShardWalk::take_member() {
  if (first_of_next_) return std::exchange(first_of_next_, std::nullopt);
  return scanner_.next();
}

// Returns a description of the damage.
std::string ShardWalk::resume_after(const TarError& error) {
  if (error.offset() == 0 && error.damage() == TarDamage::bad_header) throw error;
  if (error.damage() == TarDamage::truncated) {
    is_over_ = true;
    return error.what();
  }
  is_over_ = !scanner_.skip_damage(error.offset());
  if (scanner_.offset() <= error.offset() + TarScanner::kMaxDamage) return error.what();
  return fmt::format("{}, nor in the {} after it: the rest is not read", error.what(),
                     human_bytes(TarScanner::kMaxDamage));
}

std::optional<ShardEntry> ShardWalk::next(const Visit& visit) {
  if (pending_damage_) return std::exchange(pending_damage_, std::nullopt);
  ShardEntry entry;
  try {
    while (!is_over_) {
      auto member = take_member();
      if (!member) {
        is_over_ = true;
        break;
      }
      MemberName name = split_member_name(member->name);
      if (name.suffix.empty()) continue;
      const bool is_first = entry.suffixes.empty();
      if (entry.suffixes.size() == kMaxMembers && name.key == entry.key) {
        throw_user_error(
            "'{}' is one of more than {} members of the sample '{}': the key of a sample is its members' "
            "names up to the first dot",
            member->name, kMaxMembers, entry.key);
      }
      if (!is_first && (name.key != entry.key || std::ranges::count(entry.suffixes, name.suffix) > 0)) {
        first_of_next_ = std::move(member);
        break;
      }
      if (is_first) {
        entry.begin = member->begin;
        entry.key = name.key;
      }
      entry.end = member->data_offset + member->size;
      entry.suffixes.push_back(std::move(name.suffix));
      if (visit) visit(*member, entry.suffixes.back());
    }
  } catch (const TarError& error) {
    const std::string what = resume_after(error);
    // The damage belongs to the current sample if it is in one of its members, or if the sample has fewer
    // members so far than the one before.
    const bool is_in_this_sample =
        !entry.suffixes.empty() && (split_member_name(error.member()).key == std::string_view(entry.key) ||
                                    entry.suffixes.size() < previous_members_);
    if (is_in_this_sample) {
      entry.end = std::max(entry.end, error.offset());
      entry.damage = what;
      return entry;
    }
    ShardEntry damage;
    damage.begin = damage.end = error.offset();
    damage.damage = what;
    if (entry.suffixes.empty()) return damage;
    pending_damage_ = std::move(damage);
  }
  if (entry.suffixes.empty()) return std::nullopt;
  previous_members_ = entry.suffixes.size();
  return entry;
}

}  // namespace cloob
