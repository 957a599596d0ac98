#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cloob/run/run_config.h"

namespace cloob {

/// The tokens of each caption in a text file with one on a line, see CaptionLengths. Throws UserError.
std::vector<std::int64_t> count_caption_tokens(const std::string& file, const RunConfig& config);

}  // namespace cloob
