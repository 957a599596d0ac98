#pragma once

#include <string>
#include <vector>

namespace cloob {

/// A value as it stands in a file or on the command line, before anything is known about its type.
struct ConfigNode {
  enum class Kind { null, scalar, list, map };

  Kind kind = Kind::null;
  std::string origin;                // "file:line:column" or "command line"
  std::string text;                  // of a scalar
  bool quoted = false;               // a scalar that cannot be anything but text
  std::vector<ConfigNode> children;  // of a list or map, in order
  std::string key;                   // of a map's child
  std::string key_origin;
};

}  // namespace cloob
