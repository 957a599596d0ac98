#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace cloob {

struct RunConfig;

/// Tokens of each caption in a text file with one on a line, start and end included, for the tokenizer and the context length of
/// the settings. Empty in a program without tokenizers.
using CaptionLengths =
    std::function<std::vector<std::int64_t>(const std::string& file, const RunConfig& config)>;

/// A CaptionLengths. Throws UserError.
std::vector<std::int64_t> count_caption_tokens(const std::string& file, const RunConfig& config);

}  // namespace cloob
