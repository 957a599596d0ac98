#pragma once

#include <string>
#include <vector>

namespace cloob {

/// A value as written in a file or on the command line, before its type is known.
struct ConfigNode {
  enum class Kind { null, scalar, list, map };

  Kind kind = Kind::null;
  std::string origin;                // "file:line:column" or "command line"
  std::string text;                  // of a scalar
  bool quoted = false;               // a scalar that can only be text
  std::vector<ConfigNode> children;  // of a list or map, in order
  std::string key;                   // of a map's child
  std::string key_origin;
};

}  // namespace cloob
