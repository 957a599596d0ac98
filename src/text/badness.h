#pragma once

#include <string_view>

namespace cloob {

/// Whether the text contains a sequence of characters that is unlikely except in mojibake, such as an
/// accented letter followed by a currency sign: ftfy's is_bad. Takes the same time for every character.
bool is_bad(std::u32string_view text);

}  // namespace cloob
