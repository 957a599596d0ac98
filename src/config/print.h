#pragma once

#include <string>

#include "cloob/config/description.h"

namespace cloob {

/// A setting's value as YAML on one line: 0.0005, [a, b], null.
std::string value_text(const SettingInfo& setting, const Values& values);

}  // namespace cloob
