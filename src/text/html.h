// Two ways to unescape HTML character references: Python's, which follows the standard, and ftfy's, which is
// conservative.
#pragma once

#include <string>
#include <string_view>

namespace cloob {

/// Python's html.unescape: every reference of HTML 5, with or without the semicolon where HTML allows both.
std::u32string unescape_html(std::u32string_view text);

/// The unescaping of ftfy's fix_text: only references that end in a semicolon, so that "this&not that" is
/// unchanged, but also upper-case names such as "&EACUTE;", which are not part of HTML.
std::u32string unescape_unambiguous_html(std::u32string_view text);

/// The Windows-1252 character at the code of a C1 control character; the five undefined codes and all other
/// characters are returned unchanged.
char32_t windows_1252_for_control(char32_t code_point);

}  // namespace cloob
