// Texts that a user copies into a shell.
#pragma once

#include <string>
#include <string_view>

namespace cloob {

/// `text` as one word of a POSIX shell: unchanged if it has only letters, digits and ./_-=:,+@%, else in single quotes.
std::string shell_word(std::string_view text);

}  // namespace cloob
