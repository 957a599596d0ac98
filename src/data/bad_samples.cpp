#include "cloob/data/bad_samples.h"

#include <fmt/core.h>

#include <algorithm>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
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
    case BadKind::unsupported_format:
      return "unsupported format";
    case BadKind::not_downloaded:
      return "not downloaded";
    case BadKind::damaged_image:
      return "damaged image";
    case BadKind::too_large:
      return "too large";
    case BadKind::no_caption:
      return "no caption";
    case BadKind::caption_not_utf8:
      return "caption not utf8";
    case BadKind::empty_after_cleaning:
      return "empty after cleaning";
  }
  return "?";
}

std::string bad_kind_id(BadKind kind) {
  std::string id(bad_kind_name(kind));
  std::ranges::replace(id, ' ', '_');
  return id;
}

std::int64_t BadSampleCounts::total() const {
  std::int64_t sum = 0;
  for (const Tally& tally : tallies_) sum += tally.count;
  return sum;
}

std::vector<BadKind> BadSampleCounts::kinds() const {
  std::vector<BadKind> kinds;
  for (std::size_t kind = 0; kind < kNumBadKinds; ++kind) {
    if (tallies_[kind].count > 0) kinds.push_back(static_cast<BadKind>(kind));
  }
  return kinds;
}

std::string BadSampleCounts::by_kind() const {
  std::vector<std::string> parts;
  for (const BadKind kind : kinds()) {
    parts.push_back(fmt::format("{} {}", with_thousands(count(kind)), bad_kind_name(kind)));
  }
  return join(parts, ", ");
}

std::string BadSampleCounts::first_examples() const {
  std::vector<std::string> all;
  for (const Tally& tally : tallies_) all.insert(all.end(), tally.examples.begin(), tally.examples.end());
  return join(all, "; ");
}

void judge_unusable(const BadSampleCounts& bad, std::int64_t num_samples, double max_bad_share) {
  const std::int64_t num_bad = bad.total();
  if (num_bad == 0) return;
  if (num_bad == num_samples) {
    throw_user_error("none of the first {} samples is usable ({}): {}", with_thousands(num_samples),
                     bad.by_kind(), bad.first_examples());
  }
  if (static_cast<double>(num_bad) > max_bad_share * static_cast<double>(num_samples)) {
    throw_user_error("{} of {} samples are unusable, more than data.max_bad_share ({}) allows; so far {}: {}",
                     with_thousands(num_bad), with_thousands(num_samples), shortest(max_bad_share),
                     bad.by_kind(), bad.first_examples());
  }
  log_warning("data", "{} of {} samples were unusable: {}", with_thousands(num_bad),
              with_thousands(num_samples), bad.by_kind());
}

}  // namespace cloob
