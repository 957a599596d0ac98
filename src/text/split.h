#pragma once

#include <cstddef>
#include <string_view>

namespace cloob {

inline constexpr std::string_view kStartOfText = "<start_of_text>";
inline constexpr std::string_view kEndOfText = "<end_of_text>";

/// Returns the next piece of a cleaned caption, the unit within which byte pairs are merged, and advances
/// `position` past it; empty at the end of the caption. Pieces are, in order of precedence: the two special
/// tokens, the contractions 's 't 're 've 'm 'll 'd, runs of letters, single numbers, and runs of anything
/// that is neither letter nor number nor whitespace.
///
/// CLIP's pattern ignores case. In a lower-case caption this still has two effects, which are reproduced: a
/// long s (U+017F) matches the s in the special tokens and in 's, and the combining iota (U+0345) belongs to
/// no piece.
std::string_view next_piece(std::string_view caption, std::size_t& position);

}  // namespace cloob
