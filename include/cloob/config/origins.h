#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace cloob {

/// The origin of what the command line sets.
inline constexpr std::string_view kCommandLine = "command line";

/// Where each setting that was set explicitly comes from: dotted name -> "file:line:column" or kCommandLine.
using Origins = std::map<std::string, std::string, std::less<>>;

}  // namespace cloob
