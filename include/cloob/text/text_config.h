// The settings section `text`.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "cloob/config/field.h"

namespace cloob {

enum class TokenizerKind { clip, sentencepiece };

template <>
struct EnumNames<TokenizerKind> {
  static constexpr std::array<std::pair<std::string_view, TokenizerKind>, 2> names = {
      {{"clip", TokenizerKind::clip}, {"sentencepiece", TokenizerKind::sentencepiece}}};
};

enum class Truncation { keep_end, cut };

template <>
struct EnumNames<Truncation> {
  static constexpr std::array<std::pair<std::string_view, Truncation>, 2> names = {
      {{"keep_end", Truncation::keep_end}, {"cut", Truncation::cut}}};
};

struct TextConfig {
  TokenizerKind tokenizer = TokenizerKind::clip;
  std::string model_file = "";
  std::string vocabulary_file = "";
  Truncation truncation = Truncation::keep_end;

  static constexpr auto fields() {
    return std::tuple(
        field(
            "tokenizer", &TextConfig::tokenizer,
            "How captions are tokenized: clip is CLIP's byte-pair encoding with open_clip's cleaning of "
            "captions, sentencepiece is the model in model_file, which normalises captions by its own rules."),
        field("model_file", &TextConfig::model_file,
              "The sentencepiece model, required when tokenizer is sentencepiece. `cloob tokenizer train` "
              "creates one; any model that defines a start (bos) and an end (eos) token works."),
        field("vocabulary_file", &TextConfig::vocabulary_file,
              "Gzipped byte-pair merges in the format of CLIP's file, used when tokenizer is clip. Empty "
              "means the CLIP vocabulary that is installed with the program."),
        field("truncation", &TextConfig::truncation,
              "What happens to a caption with more tokens than the context length: keep_end truncates it and "
              "makes the end token the last one; cut reproduces the CLOOB authors' code, which drops the end "
              "token and pools at the largest remaining token, the start token, so that all long captions "
              "get the same features."));
  }
  /// Throws UserError when the settings contradict each other.
  void validate() const;
};
static_assert(lists_every_member<TextConfig>);

}  // namespace cloob
