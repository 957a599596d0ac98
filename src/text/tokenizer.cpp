#include "cloob/text/tokenizer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/text/padding.h"
#include "text/clip_tokenizer.h"
#include "text/sentencepiece_tokenizer.h"

namespace cloob {

TokenBatch encode_batch(const Tokenizer& tokenizer, std::span<const std::string> texts,
                        std::int64_t context_length) {
  const auto rows = static_cast<std::int64_t>(texts.size());
  TokenBatch batch{at::full({rows, context_length}, tokenizer.pad_id(), at::kLong),
                   at::empty({rows}, at::kLong)};
  auto* tokens = batch.tokens_BL.data_ptr<std::int64_t>();
  auto* end_positions = batch.end_positions_B.data_ptr<std::int64_t>();
  for (const std::string& text : texts) {
    const EncodedText encoded = tokenizer.encode(text, context_length);
    std::ranges::copy(encoded.ids, tokens);
    tokens += context_length;
    *end_positions++ = encoded.end_position;
  }
  batch.tokens_BL = without_padding(batch.tokens_BL, batch.end_positions_B);
  return batch;
}

std::filesystem::path tokenizer_file(const TextConfig& config) {
  if (config.tokenizer == TokenizerKind::sentencepiece) return config.model_file;
  if (!config.vocabulary_file.empty()) return config.vocabulary_file;
  return find_resource("bpe_simple_vocab_16e6.txt.gz");
}

std::shared_ptr<const Tokenizer> make_tokenizer(const TextConfig& config) {
  config.validate();
  switch (config.tokenizer) {
    case TokenizerKind::clip: {
      if (!config.model_file.empty())
        log_warning("text", "text.model_file has no effect with text.tokenizer clip");
      return std::make_shared<ClipTokenizer>(tokenizer_file(config), config.truncation);
    }
    case TokenizerKind::sentencepiece:
      if (!config.vocabulary_file.empty()) {
        log_warning("text", "text.vocabulary_file has no effect with text.tokenizer sentencepiece");
      }
      return std::make_shared<SentencePieceTokenizer>(tokenizer_file(config));
  }
  CLOOB_CHECK(false, "unknown tokenizer");
}

}  // namespace cloob
