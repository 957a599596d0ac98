// Tokenization of captions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/text/text_config.h"

namespace cloob {

struct EncodedText {
  std::vector<std::int64_t> ids;  // start token ... end token, no padding
  std::int64_t end_position = 0;  // where the text encoder pools: an index into `ids`
  bool is_empty = false;          // nothing is left of the text after cleaning: only start and end token
  bool is_truncated = false;      // the text has more tokens than the context length
};

/// Converts captions to token ids. Thread-safe: one tokenizer serves all threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Between 1 and `context_length` ids. Invalid UTF-8 is treated as U+FFFD.
  virtual EncodedText encode(std::string_view text, std::int64_t context_length) const = 0;

  /// The text of a sequence of ids, for display: without the start token and without the end token and
  /// everything after it.
  virtual std::string decode(std::span<const std::int64_t> ids) const = 0;

  virtual std::int64_t vocab_size() const = 0;

  /// Fills a row after the end token. Any id of the vocabulary would do: the text encoder is causal and pools
  /// at `end_position`, so padding never affects the result.
  virtual std::int64_t pad_id() const = 0;
};

struct TokenBatch {
  at::Tensor tokens_BL;        // int64, each row padded with `pad_id` to the longest text
  at::Tensor end_positions_B;  // int64
};

TokenBatch encode_batch(const Tokenizer& tokenizer, std::span<const std::string> texts,
                        std::int64_t context_length);

/// The vocabulary or the model that `make_tokenizer` reads.
std::filesystem::path tokenizer_file(const TextConfig& config);

/// Reads the vocabulary or the model. Throws UserError when a file is missing or damaged, or a setting is
/// invalid.
std::shared_ptr<const Tokenizer> make_tokenizer(const TextConfig& config);

}  // namespace cloob
