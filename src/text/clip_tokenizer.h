#pragma once

#include <filesystem>

#include "cloob/text/tokenizer.h"
#include "text/byte_pairs.h"

namespace cloob {

/// CLIP's tokenizer with exactly the ids of open_clip 3.3 (clean.h).
///
/// The end token is the largest id. A caption that contains the text "<end_of_text>" gets that id at this
/// position, and the text encoder pools at the first one. The padding id, 0, is also the id of '!'; see
/// Tokenizer::pad_id.
class ClipTokenizer final : public Tokenizer {
 public:
  ClipTokenizer(const std::filesystem::path& vocabulary_file, Truncation truncation);

  EncodedText encode(std::string_view text, std::int64_t context_length) const override;
  std::string decode(std::span<const std::int64_t> ids) const override;
  std::int64_t vocab_size() const override { return end_id() + 1; }
  std::int64_t pad_id() const override { return 0; }

 private:
  std::int64_t start_id() const { return byte_pairs_.size(); }
  std::int64_t end_id() const { return byte_pairs_.size() + 1; }

  BytePairs byte_pairs_;
  Truncation truncation_;
};

}  // namespace cloob
