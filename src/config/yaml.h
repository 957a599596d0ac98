#pragma once

#include <string>
#include <string_view>

#include "cloob/config/node.h"

namespace cloob {

/// Parses one YAML document; an empty text is null. Throws UserError "name:line:column: ..." for anything
/// that is not YAML and for duplicate keys, keys that are not words, multiple documents, anchors, aliases and
/// tags.
ConfigNode parse_yaml(std::string_view text, const std::string& name);

/// A text value as one line of YAML, quoted only when it would otherwise be parsed as something else.
/// `in_list`: the value is inside [].
std::string yaml_text(std::string_view text, bool in_list);

}  // namespace cloob
