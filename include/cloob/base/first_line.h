#pragma once

#include <string>

namespace cloob {

/// LibTorch appends a stack trace to its messages; the first line says what happened.
inline std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace cloob
