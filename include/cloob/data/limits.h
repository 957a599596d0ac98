// How large the encoded parts of a sample may be. A sample beyond is unusable (BadKind::too_large), whatever else it
// holds. Together with kMaxDecodeBytes these bound the memory that a thread takes for it: docs/data.md has the sum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cloob {

/// An encoded image, and all members of a sample in a shard that are read.
inline constexpr std::uint64_t kMaxEncodedBytes = std::uint64_t{128} << 20;

/// A text or JSON member with captions, or the row of a table. JSON takes up to thirty times its size in memory.
inline constexpr std::uint64_t kMaxCaptionsBytes = std::uint64_t{4} << 20;

/// One caption.
inline constexpr std::uint64_t kMaxCaptionBytes = std::uint64_t{1} << 20;

/// Throws BadSample(too_large) if `what`, such as "the caption", has more bytes than `limit`.
void require_at_most(std::uint64_t limit, std::uint64_t bytes, std::string_view what);

}  // namespace cloob
