#pragma once

#include <cstddef>
#include <string_view>

namespace cloob {

inline constexpr std::string_view kStartOfText = "<start_of_text>";
inline constexpr std::string_view kEndOfText = "<end_of_text>";

/// The next piece of a cleaned caption, the unit within which byte pairs merge, and moves `position` past it;
/// empty at the end of the caption. Pieces are, in this order: the two special tokens, the contractions 's 't
/// 're 've 'm 'll 'd, runs of letters, single numbers, and runs of what is neither letter nor number nor
/// white space.
///
/// CLIP's pattern ignores case. In a caption that is lower case already this has two effects left, which are
/// kept: a long s (U+017F) stands for an s in the special tokens and in 's, and the combining iota (U+0345)
/// belongs to no piece.
std::string_view next_piece(std::string_view caption, std::size_t& position);

}  // namespace cloob
