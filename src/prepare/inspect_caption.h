// Statistics of a caption, for `inspect_source`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cloob {

struct CaptionStats {
  std::int64_t characters = 0;  ///< Unicode characters, white space collapsed
  std::int64_t words = 0;
  /// Letters left after cleaning. A character of a script without an alphabet carries as much meaning as a
  /// word, and counts as three.
  std::int64_t letters = 0;
  bool is_valid = true;      ///< is valid UTF-8
  bool has_address = false;  ///< contains a web address or the file name of an image
  bool is_encoded = false;   ///< looks percent-encoded
  std::string cleaned;       ///< result of `clean_caption`
};

CaptionStats analyze_caption(std::string_view caption);

/// `text` as one readable line: white space collapsed, broken UTF-8 and control characters replaced,
/// truncated with three dots after `max_characters`.
std::string one_line(std::string_view text, std::size_t max_characters);

}  // namespace cloob
