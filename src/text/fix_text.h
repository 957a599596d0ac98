#pragma once

#include <string>
#include <string_view>

namespace cloob {

/// ftfy 6.3's fix_text with its default settings, except for the repair of mojibake.
///
/// Line by line, until nothing changes: HTML references (none from the first line with a '<' on), C1 controls
/// as Windows-1252, Latin ligatures, full-width and half-width forms, curly quotes, line breaks, terminal
/// escapes, control characters, NFC. Text that was decoded with the wrong encoding ("schA~P n" for "schoen"
/// with its umlaut) stays broken: ftfy's fix_encoding, which infers the original encoding, is not
/// implemented.
std::u32string fix_text(std::u32string_view text);

}  // namespace cloob
