#pragma once

#include <string>

#include "cloob/config/description.h"
#include "cloob/config/node.h"

namespace cloob {

/// Parses one value of the setting's kind and checks it against the range or choices. `name` is the
/// setting's, or "name[2]" for an element of a list. Throws UserError.
Scalar parse_scalar(const SettingInfo& setting, const ConfigNode& node, const std::string& name);

/// "origin: name is ..., must be ... (meaning)".
[[noreturn]] void reject_value(const SettingInfo& setting, const ConfigNode& node, const std::string& name,
                               const std::string& expected);

/// Describes what one element may be: "a number in [0, 1]", "one of clip|cloob".
std::string expected_scalar(const SettingInfo& setting);

/// "in [0, 1]", "at least 1", "at most 5"; empty when every number is allowed.
std::string range_text(const Range& range);

/// Describes the value that was found, for messages: 3, 'three', a list, a map.
std::string found_text(const ConfigNode& node);

}  // namespace cloob
