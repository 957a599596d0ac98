#pragma once

#include <string>
#include <string_view>

namespace cloob {

/// ftfy 6.3's fix_text with its default settings.
///
/// Line by line, until nothing changes: HTML references (none from the first line with a '<' on), mojibake
/// (mojibake.h), C1 controls as Windows-1252, Latin ligatures, full-width and half-width forms, curly quotes,
/// line breaks, terminal escapes, control characters, NFC. Text that is crafted to need very many passes is
/// left half fixed (PassBudget).
std::u32string fix_text(std::u32string_view text);

}  // namespace cloob
