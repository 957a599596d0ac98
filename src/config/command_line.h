#pragma once

#include <string>
#include <string_view>

#include "cloob/config/description.h"
#include "config/node.h"

namespace cloob {

inline constexpr std::string_view kCommandLine = "command line";

/// The value of an override as it would be parsed from a file. Text is taken as it stands, because it may
/// hold any of YAML's special characters; a list is [a, b] or a,b. Throws UserError for a list that is
/// neither.
ConfigNode command_line_node(const SettingInfo& setting, const std::string& text);

}  // namespace cloob
