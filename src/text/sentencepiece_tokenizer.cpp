#include "text/sentencepiece_tokenizer.h"

#include <algorithm>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/foreign_content.h"
#include "cloob/text/clean.h"

namespace cloob {

SentencePieceTokenizer::SentencePieceTokenizer(const std::filesystem::path& model_file) {
  const std::string model = read_file(model_file);
  reject_foreign_content(model_file, model);
  if (!processor_.LoadFromSerializedProto(model).ok() || processor_.GetPieceSize() == 0) {
    throw_user_error("'{}' is not a sentencepiece model, or is damaged", model_file.string());
  }
  for (const auto& [name, option, id] :
       {std::tuple("start", "bos", processor_.bos_id()), std::tuple("end", "eos", processor_.eos_id())}) {
    if (id < 0) {
      throw_user_error(
          "the sentencepiece model '{}' has no {} token ({}_id is -1): train a model that has one, for "
          "example with 'cloob tokenizer train'",
          model_file.string(), name, option);
    }
  }
}

EncodedText SentencePieceTokenizer::encode(std::string_view text, std::int64_t context_length) const {
  CLOOB_CHECK(context_length >= 1, "context length {}", context_length);
  std::vector<int> pieces;
  const auto status = processor_.Encode(collapse_whitespace(text), &pieces);
  CLOOB_CHECK(status.ok(), "sentencepiece: {}", status.ToString());
  std::vector<std::int64_t> ids = {processor_.bos_id()};
  ids.insert(ids.end(), pieces.begin(), pieces.end());
  const auto max_ids = static_cast<std::size_t>(context_length - 1);  // leaves space for the end token
  const bool is_truncated = ids.size() > max_ids;
  ids.resize(std::min(ids.size(), max_ids));
  ids.push_back(processor_.eos_id());
  const auto end_position = static_cast<std::int64_t>(ids.size()) - 1;
  return {std::move(ids), end_position, /*is_empty=*/pieces.empty(), is_truncated};
}

std::string SentencePieceTokenizer::decode(std::span<const std::int64_t> ids) const {
  std::vector<int> pieces;
  for (const std::int64_t id : ids) {
    CLOOB_CHECK(id >= 0 && id < vocab_size(), "token {} of a vocabulary of {}", id, vocab_size());
    if (id == processor_.eos_id()) break;
    if (id != processor_.bos_id()) pieces.push_back(static_cast<int>(id));
  }
  std::string text;
  const auto status = processor_.Decode(pieces, &text);
  CLOOB_CHECK(status.ok(), "sentencepiece: {}", status.ToString());
  return text;
}

}  // namespace cloob
