// Two readings of HTML character references: Python's, which follows the standard, and ftfy's, which is
// cautious.
#pragma once

#include <string>
#include <string_view>

namespace cloob {

/// Python's html.unescape: every reference that HTML 5 knows, with or without the semicolon where HTML allows
/// both.
std::u32string unescape_html(std::u32string_view text);

/// What ftfy's fix_text does: only references that end in a semicolon, so that "this&not that" stays; and
/// capitals such as "&EACUTE;", which HTML does not know.
std::u32string unescape_unambiguous_html(std::u32string_view text);

/// What Windows-1252 has in place of a C1 control character; the five that it leaves open, and every other
/// character, stay as they are.
char32_t windows_1252_for_control(char32_t code_point);

}  // namespace cloob
