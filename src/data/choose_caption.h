// What the loader makes of a sample's captions before they become tokens.
#pragma once

#include <cstddef>
#include <string_view>

#include "cloob/base/random.h"
#include "cloob/data/source.h"

namespace cloob {

/// Draws one of the captions, in proportion to their weights where they have some. Needs a caption.
std::size_t choose_caption(const RawSample& sample, RandomStream stream);

/// Throws the BadSample for a caption of which the tokenizer's cleaning leaves nothing.
[[noreturn]] void throw_empty_after_cleaning(std::string_view caption);

}  // namespace cloob
