#include "cloob/data/bad_samples.h"

#include <fmt/core.h>

#include "cloob/base/text.h"

namespace cloob {

std::string_view bad_kind_name(BadKind kind) {
  switch (kind) {
    case BadKind::missing_file:
      return "missing file";
    case BadKind::unreadable:
      return "unreadable";
    case BadKind::malformed_row:
      return "malformed row";
    case BadKind::broken_shard:
      return "broken shard";
    case BadKind::no_image:
      return "no image";
    case BadKind::not_an_image:
      return "not an image";
    case BadKind::damaged_image:
      return "damaged image";
    case BadKind::too_large:
      return "too large";
    case BadKind::no_caption:
      return "no caption";
  }
  return "?";
}

std::int64_t BadSampleCounts::total() const {
  std::int64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.count;
  return sum;
}

std::string BadSampleCounts::by_kind() const {
  std::vector<std::string> parts;
  for (std::size_t kind = 0; kind < kNumBadKinds; ++kind) {
    if (entries_[kind].count == 0) continue;
    parts.push_back(fmt::format("{} {}", with_thousands(entries_[kind].count),
                                bad_kind_name(static_cast<BadKind>(kind))));
  }
  return join(parts, ", ");
}

std::string BadSampleCounts::first_examples() const {
  std::vector<std::string> all;
  for (const Entry& entry : entries_) all.insert(all.end(), entry.examples.begin(), entry.examples.end());
  return join(all, "; ");
}

}  // namespace cloob
