#pragma once

#include <string>
#include <string_view>

#include "cloob/config/description.h"
#include "config/node.h"

namespace cloob {

inline constexpr std::string_view kCommandLine = "command line";

/// The value of an override as if parsed from a file. Text is taken literally, because it may contain any of
/// YAML's special characters; a list is [a, b] or a,b. Throws UserError for a list in any other form.
ConfigNode command_line_node(const SettingInfo& setting, const std::string& text);

}  // namespace cloob
