#include "cloob/config/settings_tree.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "config/yaml.h"

namespace cloob {
namespace {

constexpr std::uint64_t kMaxBytes = 1 << 20;

void flatten_into(const ConfigNode& map, const std::string& prefix, std::vector<NamedNode>& settings) {
  for (const ConfigNode& child : map.children) {
    const std::string name = prefix + child.key;
    if (child.kind == ConfigNode::Kind::map) {
      flatten_into(child, name + ".", settings);
      continue;
    }
    const auto first = std::ranges::find(settings, name, &NamedNode::name);
    if (first != settings.end())
      throw_user_error("{}: '{}' is set twice, first at {}", child.key_origin, name, first->value.key_origin);
    settings.push_back({name, child});
  }
}

// The child of this key, added if missing.
ConfigNode& section_of(ConfigNode& map, const std::string& key, const ConfigNode& value) {
  const auto found = std::ranges::find(map.children, key, &ConfigNode::key);
  if (found != map.children.end()) return *found;
  ConfigNode section;
  section.kind = ConfigNode::Kind::map;
  section.origin = value.origin;
  section.key = key;
  section.key_origin = value.key_origin;
  return map.children.emplace_back(std::move(section));
}

}  // namespace

ConfigNode read_settings_tree(const std::filesystem::path& path) {
  ConfigNode root = parse_yaml(read_small_file(path, kMaxBytes, "a file of settings"), path.string());
  if (root.kind != ConfigNode::Kind::map)
    throw_user_error("{}: the file must contain settings ('name: value')", path.string());
  return root;
}

std::vector<NamedNode> flatten(const ConfigNode& map) {
  std::vector<NamedNode> settings;
  flatten_into(map, "", settings);
  return settings;
}

ConfigNode nest(const std::vector<NamedNode>& settings) {
  ConfigNode root;
  root.kind = ConfigNode::Kind::map;
  for (const NamedNode& setting : settings) {
    std::vector<std::string> parts = split(setting.name, '.');
    ConfigNode* section = &root;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
      section = &section_of(*section, parts[i], setting.value);
    ConfigNode value = setting.value;
    value.key = parts.back();
    std::erase_if(section->children, [&](const ConfigNode& child) { return child.key == value.key; });
    section->children.push_back(std::move(value));
  }
  return root;
}

std::string node_text(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::null:
      return "null";
    case ConfigNode::Kind::scalar:
      return node.text;
    case ConfigNode::Kind::list:
    case ConfigNode::Kind::map:
      break;
  }
  std::vector<std::string> elements;
  for (const ConfigNode& child : node.children) elements.push_back(node_text(child));
  return fmt::format("[{}]", join(elements, ", "));
}

}  // namespace cloob
