// Messages that quote text from files, whatever is in it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cloob {

/// Lines of a message are cut to this many bytes.
inline constexpr std::size_t kMaxMessageLine = 2000;
/// A message is cut to this many lines.
inline constexpr std::size_t kMaxMessageLines = 50;

/// The message with NUL bytes shown as "\0", and without what is too much to read: the middle of long lines and the
/// end of a long list of lines, with a mark that says how much is left out. UTF-8 characters are not cut apart.
/// A message that is short enough, such as a result of this function, stays as it is.
std::string presentable(std::string_view message);

}  // namespace cloob
