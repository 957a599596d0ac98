// What a caption looks like, for `inspect_source`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cloob {

struct CaptionLook {
  std::int64_t characters = 0;  ///< Unicode characters, white space collapsed
  std::int64_t words = 0;
  /// Letters that are left after cleaning. A character of a script without an alphabet says as much as a
  /// word, and counts as three.
  std::int64_t letters = 0;
  bool is_valid = true;      ///< as UTF-8
  bool has_address = false;  ///< of the web, or a file name of a picture
  std::string cleaned;       ///< by `clean_caption`
};

CaptionLook look_at_caption(std::string_view caption);

bool is_valid_utf8(std::string_view text);

/// `text` as one line for people: white space collapsed, broken UTF-8 and control characters replaced, cut
/// with three dots after `most_characters`.
std::string one_line(std::string_view text, std::size_t most_characters);

}  // namespace cloob
