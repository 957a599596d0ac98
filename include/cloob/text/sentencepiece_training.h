// Training of sentencepiece models from captions.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/config/field.h"

namespace cloob {

enum class SentencePieceModelType { unigram, bpe };

template <>
struct EnumNames<SentencePieceModelType> {
  static constexpr std::array<std::pair<std::string_view, SentencePieceModelType>, 2> names = {
      {{"unigram", SentencePieceModelType::unigram}, {"bpe", SentencePieceModelType::bpe}}};
};

struct SentencePieceTrainingConfig {
  SentencePieceModelType model_type = SentencePieceModelType::unigram;
  std::int64_t vocab_size = 16'000;
  double character_coverage = 0.9995;
  bool lower_case = true;
  std::int64_t max_captions = 2'000'000;

  static constexpr auto fields() {
    return std::tuple(
        field("model_type", &SentencePieceTrainingConfig::model_type,
              "How the vocabulary is chosen: unigram starts from many pieces and drops the least useful "
              "ones, bpe starts from characters and merges the most frequent pairs."),
        field("vocab_size", &SentencePieceTrainingConfig::vocab_size,
              "Number of tokens, including the padding, unknown, start and end tokens (ids 0 to 3).",
              Range{8, 1'000'000}),
        field("character_coverage", &SentencePieceTrainingConfig::character_coverage,
              "Fraction of all characters in the captions that the vocabulary covers; rarer characters "
              "become the unknown token. 1 keeps every character, however rare.",
              Range{0.98, 1.0}),
        field("lower_case", &SentencePieceTrainingConfig::lower_case,
              "Whether the model folds captions to lower case, as CLIP's tokenizer does."),
        field("max_captions", &SentencePieceTrainingConfig::max_captions,
              "Maximum number of captions used, spread evenly over those given; memory and time grow with "
              "it.",
              Range{1, 100'000'000}));
  }
};
static_assert(lists_every_member<SentencePieceTrainingConfig>);

/// Reads text files with one caption per line; empty lines are skipped.
std::vector<std::string> read_caption_lines(std::span<const std::filesystem::path> files);

/// Trains a model and writes it to `output`. The same captions give the same bytes on every machine with the
/// same version of sentencepiece. Captions of more than 4,192 bytes are skipped.
///
/// Throws UserError when there are no captions, when they cannot fill the vocabulary or their characters do
/// not fit into it, and when `output` cannot be written, which is checked before the training.
void train_sentencepiece(std::span<const std::string> captions, const SentencePieceTrainingConfig& config,
                         const std::filesystem::path& output);

}  // namespace cloob
