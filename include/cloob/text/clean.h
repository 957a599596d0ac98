// Caption cleaning.
#pragma once

#include <string>
#include <string_view>

namespace cloob {

/// Cleans a caption as open_clip 3.3 does for the CLIP vocabulary: ftfy's default fixes, HTML unescaping
/// twice, runs of whitespace collapsed to one space and stripped at the ends, lower case. Pure ASCII without
/// '&' and control characters takes a fast path that gives the same text.
///
/// The fixes include ftfy's repair of mojibake, UTF-8 that was once decoded with another encoding. Only text that
/// is crafted to need thousands of passes of repair is left half fixed. Invalid UTF-8 becomes U+FFFD, as with
/// Python's decode(errors="replace"). Characters newer than the Unicode version of the installed utf8proc are
/// kept unchanged, without lower-casing.
std::string clean_caption(std::string_view caption);

/// Only collapses runs of whitespace (as Python's str.split defines it) to one space and strips the ends;
/// invalid UTF-8 becomes U+FFFD.
std::string collapse_whitespace(std::string_view text);

}  // namespace cloob
