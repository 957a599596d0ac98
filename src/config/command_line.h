#pragma once

#include <string>

#include "cloob/config/description.h"
#include "cloob/config/node.h"
#include "cloob/config/origins.h"

namespace cloob {

/// The value of an override as if parsed from a file. Text is taken literally, because it may contain any of
/// YAML's special characters; a list is [a, b] or a,b. Throws UserError for a list in any other form.
ConfigNode command_line_node(const SettingInfo& setting, const std::string& text);

}  // namespace cloob
