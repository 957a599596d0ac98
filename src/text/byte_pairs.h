// CLIP's byte-pair vocabulary.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/pair_table.h"

namespace cloob {

/// The merges of a vocabulary file, and the merging.
///
/// Ids: the 256 bytes in the order of CLIP's byte table, the same 256 as the last byte of a word, then one id
/// for every merge in the order of the file. A merge with a lower id goes first. Immutable after
/// construction, so thread-safe.
class BytePairs {
 public:
  /// `path` is a gzipped text: a header line, then one merge a line. At most 48,894 merges are read, as CLIP
  /// does from a file that holds more. Throws UserError when the file cannot be read or a line is no merge of
  /// two known tokens.
  explicit BytePairs(const std::filesystem::path& path);
  BytePairs(const BytePairs&) = delete;
  BytePairs& operator=(const BytePairs&) = delete;

  /// Appends the ids of one word (a piece of the split, not empty).
  void append_ids(std::string_view word, std::vector<std::int64_t>& ids) const;

  /// The bytes that an id stands for, with a blank at the end when it ends a word.
  const std::string& bytes_of(std::int64_t id) const { return bytes_[static_cast<std::size_t>(id)]; }
  std::int64_t size() const { return static_cast<std::int64_t>(bytes_.size()); }

 private:
  static constexpr std::size_t kNumMerges = 48'894;
  static constexpr std::int64_t kNumByteTokens = 256;  // and as many for bytes that end a word

  static constexpr std::int64_t kSwallowed =
      -1;  // the place of a token that its left neighbour has merged with

  void read_merges(std::string_view lines, const std::string& path);
  void find_whole_words();
  void append_merged_ids(std::string_view word, std::vector<std::int64_t>& ids) const;
  void merge(std::span<std::int64_t> ids) const;

  std::array<std::int64_t, 256> id_of_byte_;
  std::vector<std::string> bytes_;
  PairTable merges_{kNumMerges};
  std::unordered_map<std::string_view, std::int64_t>
      whole_words_;  // words that merge into one token: most of them
};

}  // namespace cloob
