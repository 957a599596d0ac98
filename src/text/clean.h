// The two implementations of caption cleaning, declared separately so that a test can compare them.
#pragma once

#include <string>
#include <string_view>

namespace cloob {

/// Whether `clean_ascii_caption` is correct for this caption.
bool is_plain_ascii(std::string_view caption);
std::string clean_ascii_caption(std::string_view caption);

/// Correct for every caption.
std::string clean_any_caption(std::string_view caption);

}  // namespace cloob
