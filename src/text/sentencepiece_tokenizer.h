#pragma once

#include <sentencepiece_processor.h>

#include <filesystem>

#include "cloob/text/tokenizer.h"

namespace cloob {

/// A sentencepiece model. Captions reach it with runs of white space collapsed and are otherwise as they
/// were: the model brings its own normalisation. Start, end and padding ids are the model's; a model without
/// a padding id is padded with 0. The end token is not the largest id, so its position is given explicitly.
class SentencePieceTokenizer final : public Tokenizer {
 public:
  /// Throws UserError when the model cannot be read or has no start or end token.
  explicit SentencePieceTokenizer(const std::filesystem::path& model_file);

  EncodedText encode(std::string_view text, std::int64_t context_length) const override;
  std::string decode(std::span<const std::int64_t> ids) const override;
  std::int64_t vocab_size() const override { return processor_.GetPieceSize(); }
  std::int64_t pad_id() const override { return std::max(processor_.pad_id(), 0); }

 private:
  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace cloob
