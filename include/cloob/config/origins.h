#pragma once

#include <functional>
#include <map>
#include <string>

namespace cloob {

/// Where each setting that is not left at its default was set: dotted name -> "file:line:column" or "command
/// line".
using Origins = std::map<std::string, std::string, std::less<>>;

}  // namespace cloob
