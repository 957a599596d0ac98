// Unusable samples: what is wrong with a sample, and how many there were of each kind.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/base/message.h"
#include "cloob/base/tally.h"

namespace cloob {

/// Why a sample is unusable.
enum class BadKind {
  missing_file,          ///< the image file does not exist
  unreadable,            ///< reading it failed
  malformed_row,         ///< the row of the table cannot be parsed
  broken_shard,          ///< the shard is truncated or damaged here
  no_image,              ///< the sample has no image member
  not_an_image,          ///< no known image format
  unsupported_format,    ///< an image in a format that is not decoded
  not_downloaded,        ///< a Git LFS pointer, a web page or a server's error message in place of the image
  damaged_image,         ///< the image is truncated or corrupt
  too_large,             ///< more pixels, bytes or memory than allowed
  no_caption,            ///< no caption, or only empty ones
  caption_not_utf8,      ///< the caption is in another encoding
  empty_after_cleaning,  ///< the tokenizer's cleaning leaves an empty caption
};
inline constexpr std::size_t kNumBadKinds = 13;

/// "missing file", "not an image", ...
std::string_view bad_kind_name(BadKind kind);
/// The same with underscores, as in metrics and reports: "missing_file".
std::string bad_kind_id(BadKind kind);

/// Thrown for one unusable sample; the loader skips it and continues.
class BadSample : public std::runtime_error {
 public:
  BadSample(BadKind kind, const std::string& message)
      : std::runtime_error(presentable(message)), kind_(kind) {}
  BadKind kind() const { return kind_; }

 private:
  BadKind kind_;
};

/// Counts unusable samples by kind and keeps the first examples of each kind.
class BadSampleCounts {
 public:
  /// Counts one sample. `example` says where and what; it is called only while examples are still collected.
  template <class MakeExample>
  void add(BadKind kind, MakeExample&& example) {
    tallies_[static_cast<std::size_t>(kind)].add(std::forward<MakeExample>(example));
  }
  /// Adds later counts.
  void add_all(BadKind kind, const Tally& later) { tallies_[static_cast<std::size_t>(kind)].add_all(later); }

  std::int64_t total() const;
  const Tally& of(BadKind kind) const { return tallies_[static_cast<std::size_t>(kind)]; }
  std::int64_t count(BadKind kind) const { return of(kind).count; }
  const std::vector<std::string>& examples(BadKind kind) const { return of(kind).examples; }
  /// The kinds that occurred, in the order of their declaration.
  std::vector<BadKind> kinds() const;
  /// "12 missing file, 3 not an image"; empty if there were none.
  std::string by_kind() const;
  /// The first examples of every kind, joined by semicolons.
  std::string first_examples() const;

 private:
  std::array<Tally, kNumBadKinds> tallies_;
};

/// Judges a complete pass over `num_samples` samples: warns of unusable ones. Throws UserError if all of them are unusable, or a
/// larger fraction than `max_bad_share`.
void judge_unusable(const BadSampleCounts& bad, std::int64_t num_samples, double max_bad_share);

}  // namespace cloob
