#pragma once

#include <string_view>

namespace cloob {
inline constexpr std::string_view kVersion = "0.1.0";
}
