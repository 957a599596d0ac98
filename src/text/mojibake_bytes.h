// The steps of ftfy's fix_encoding on bytes that are nearly UTF-8.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cloob {

/// Decodes UTF-8 of any of its variants: also CESU-8, which encodes each half of a surrogate pair by itself,
/// and Java's two bytes for U+0000. Nothing if any byte is malformed. ftfy's codec utf-8-variants.
std::optional<std::u32string> decode_utf8_variants(std::string_view bytes);

/// Restores bytes 0xA0 that were replaced by spaces, as they are if the no-break space becomes a space, where
/// that makes convincing UTF-8. A single "\xC3 " becomes an 'a' with a grave accent and a space, as a word of
/// its own.
std::string restore_no_break_bytes(std::string_view bytes);

/// Replaces UTF-8 sequences in which bytes were lost, and bytes that were lost by themselves, by U+FFFD. A
/// lost byte is 0x1A, and at most once in a sequence a question mark.
std::string replace_lossy_sequences(std::string_view bytes);

}  // namespace cloob
