// The two ways of cleaning a caption, apart, so that a test can compare them.
#pragma once

#include <string>
#include <string_view>

namespace cloob {

/// Whether `clean_ascii_caption` gives the right answer.
bool is_plain_ascii(std::string_view caption);
std::string clean_ascii_caption(std::string_view caption);

/// Right for every caption.
std::string clean_any_caption(std::string_view caption);

}  // namespace cloob
