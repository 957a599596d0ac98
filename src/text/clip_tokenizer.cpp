#include "text/clip_tokenizer.h"

#include <algorithm>

#include "cloob/base/error.h"
#include "cloob/text/clean.h"
#include "text/split.h"
#include "text/unicode.h"

namespace cloob {

ClipTokenizer::ClipTokenizer(const std::filesystem::path& vocabulary_file, Truncation truncation)
    : byte_pairs_(vocabulary_file), truncation_(truncation) {}

EncodedText ClipTokenizer::encode(std::string_view text, std::int64_t context_length) const {
  CLOOB_CHECK(context_length >= 1, "context length {}", context_length);
  const auto max_ids = static_cast<std::size_t>(context_length);
  const std::string caption = clean_caption(text);
  std::vector<std::int64_t> ids = {start_id()};
  std::size_t position = 0;
  // The part that would be truncated is not encoded.
  while (ids.size() <= max_ids) {
    const std::string_view piece = next_piece(caption, position);
    if (piece.empty()) break;
    if (piece == kStartOfText) {
      ids.push_back(start_id());
    } else if (piece == kEndOfText) {
      ids.push_back(end_id());
    } else {
      byte_pairs_.append_ids(piece, ids);
    }
  }
  ids.push_back(end_id());
  const bool is_truncated = ids.size() > max_ids;
  if (is_truncated) {
    ids.resize(max_ids);
    if (truncation_ == Truncation::keep_end) ids.back() = end_id();
  }
  // The first end token; if truncation dropped it, the first start token, as in the CLOOB authors' code.
  const std::int64_t end_position = std::ranges::max_element(ids) - ids.begin();
  return {std::move(ids), end_position, /*is_empty=*/caption.empty(), is_truncated};
}

std::string ClipTokenizer::decode(std::span<const std::int64_t> ids) const {
  std::string bytes;
  for (const std::int64_t id : ids) {
    CLOOB_CHECK(id >= 0 && id < vocab_size(), "token {} of a vocabulary of {}", id, vocab_size());
    if (id == end_id()) break;
    if (id != start_id()) bytes += byte_pairs_.bytes_of(id);
  }
  if (bytes.ends_with(' ')) bytes.pop_back();
  // Truncation may have split a character.
  return encode_utf8(decode_utf8(bytes));
}

}  // namespace cloob
