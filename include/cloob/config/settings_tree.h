// Settings as trees, for files that hold settings of several programs or several times the same ones: a sweep has those of
// every variant. The values keep the place where they were written, so that errors name it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cloob/config/config.h"
#include "cloob/config/node.h"

namespace cloob {

/// The content of a file of settings, a map. Includes nothing. Throws UserError ("file:line:column: ...").
ConfigNode read_settings_tree(const std::filesystem::path& path);

/// One level of the tree for every part of a dotted name.
struct NamedNode {
  std::string name;  ///< dotted
  ConfigNode value;  ///< a scalar, a list or null
};

/// All settings of a map, in order: sections may be nested or written as dotted names. Throws UserError if one is there twice.
std::vector<NamedNode> flatten(const ConfigNode& map);
/// The map that `flatten` would give back.
ConfigNode nest(const std::vector<NamedNode>& settings);

/// "scalar", "[a, b]" or "null": a value as it could be written in a file.
std::string node_text(const ConfigNode& node);

/// Implements the following.
void read_settings(const Description& description, const std::vector<ConfigNode>& layers, void* root,
                   Origins& origins);

/// `read_config` from trees, the lowest precedence first.
template <Section T>
T read_config(const std::vector<ConfigNode>& layers, Origins& origins) {
  T value;
  read_settings(description_of<T>(), layers, &value, origins);
  return value;
}

}  // namespace cloob
