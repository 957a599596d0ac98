#pragma once

#include <string>

#include "cloob/config/description.h"

namespace cloob {

/// A setting's value as one line of YAML: 0.0005, [a, b], null.
std::string value_text(const SettingInfo& setting, const Values& values);

}  // namespace cloob
