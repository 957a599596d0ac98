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

/// Vocabulary files represent a byte by a character: its Latin-1 character if that is printable, otherwise one from U+0100
/// on.
struct SpelledByte {
  unsigned char byte;
  char32_t character;
};

/// All bytes in the order of their ids.
std::vector<SpelledByte> byte_table();

/// Of CLIP's vocabulary, whose file has more.
inline constexpr std::size_t kNumMerges = 48'894;

/// What a token that ends a word is spelled with.
inline constexpr std::string_view kEndOfWord = "</w>";

/// Byte-pair encoding with the merges of a vocabulary file.
///
/// Ids: the 256 bytes in the order of CLIP's byte table, the same 256 as the last byte of a word, then one id
/// per merge in the order of the file. Merges with lower ids are applied first. Immutable after construction,
/// hence thread-safe.
class BytePairs {
 public:
  /// `path` is a gzipped text: a header line, then one merge per line. At most 48,894 merges are read, like
  /// in CLIP, whose file has more. Throws UserError when the file cannot be read or a line is not a merge of
  /// two known tokens.
  explicit BytePairs(const std::filesystem::path& path);
  BytePairs(const BytePairs&) = delete;
  BytePairs& operator=(const BytePairs&) = delete;

  /// Appends the ids of one word (a non-empty piece, see split.h).
  void append_ids(std::string_view word, std::vector<std::int64_t>& ids) const;

  /// The bytes of a token, followed by a space when it ends a word.
  const std::string& bytes_of(std::int64_t id) const { return bytes_[static_cast<std::size_t>(id)]; }
  std::int64_t size() const { return static_cast<std::int64_t>(bytes_.size()); }

 private:
  static constexpr std::int64_t kNumByteTokens = 256;  // and another 256 for bytes that end a word

  static constexpr std::int64_t kMerged = -1;  // position of a token that was merged into its left neighbour

  void read_merges(std::string_view lines, const std::string& path);
  void find_whole_words();
  void append_merged_ids(std::string_view word, std::vector<std::int64_t>& ids) const;
  void merge(std::span<std::int64_t> ids) const;

  std::array<std::int64_t, 256> id_of_byte_;
  std::vector<std::string> bytes_;
  PairTable merges_{kNumMerges};
  // Words that merge into a single token: most words.
  std::unordered_map<std::string_view, std::int64_t> whole_words_;
};

}  // namespace cloob
