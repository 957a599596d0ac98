#pragma once

#include <sentencepiece_processor.h>

#include <filesystem>

#include "cloob/text/tokenizer.h"

namespace cloob {

/// A sentencepiece model. Runs of whitespace in captions are collapsed before encoding and nothing else is
/// changed: the model has its own normalisation. Start, end and padding ids are the model's; without a
/// padding id, 0 is used. The end token is not the largest id, so its position is stored explicitly.
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
