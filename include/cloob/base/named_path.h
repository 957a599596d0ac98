// Paths that may be given a name: NAME=PATH.
#pragma once

#include <string>

namespace cloob {

struct NamedPath {
  std::string name;
  std::string path;
};

/// "name=a/b" -> "name", "a/b"; "a/b/" -> "b", "a/b/". A file that exists, and a '=' after the first '/', are part of a
/// path. Throws UserError if the name or the path is missing.
NamedPath named_path(const std::string& text);

}  // namespace cloob
