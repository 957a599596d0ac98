// Caption cleaning.
#pragma once

#include <string>
#include <string_view>

namespace cloob {

/// Cleans a caption as open_clip 3.3 does for the CLIP vocabulary: ftfy's default fixes, HTML references
/// twice, runs of white space to one blank, none at the ends, lower case. Pure ASCII without '&' and control
/// characters takes a short way that gives the same text.
///
/// Missing on purpose: ftfy's repair of mojibake (UTF-8 that was once read as another encoding). Such
/// captions keep their broken characters. Bytes that are not UTF-8 become U+FFFD, as Python's
/// decode(errors="replace") has it. Characters newer than the Unicode version of the installed utf8proc are
/// kept, in neither upper nor lower case.
std::string clean_caption(std::string_view caption);

/// Runs of white space (what Python's str.split takes for it) to one blank, none at the ends, and nothing
/// else; bytes that are not UTF-8 become U+FFFD.
std::string collapse_whitespace(std::string_view text);

}  // namespace cloob
