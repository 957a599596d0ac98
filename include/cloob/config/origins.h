#pragma once

#include <functional>
#include <map>
#include <string>

namespace cloob {

/// Where each setting that was set explicitly comes from: dotted name -> "file:line:column" or "command
/// line".
using Origins = std::map<std::string, std::string, std::less<>>;

}  // namespace cloob
