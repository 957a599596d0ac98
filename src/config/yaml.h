#pragma once

#include <string>
#include <string_view>

#include "config/node.h"

namespace cloob {

/// Parses one YAML document; an empty text is null. Throws UserError "name:line:column: ..." for what is not
/// YAML, for duplicate keys, keys that are not words, several documents, anchors, aliases and tags.
ConfigNode parse_yaml(std::string_view text, const std::string& name);

/// A value as YAML on one line, in quotes only where it would be read back as something else. `in_list`:
/// within [].
std::string yaml_text(std::string_view text, bool in_list);

}  // namespace cloob
