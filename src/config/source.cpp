#include "cloob/config/source.h"

#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "config/node.h"
#include "config/yaml.h"

namespace cloob {
namespace {

constexpr std::string_view kInclude = "include";

ConfigNode parse_settings(std::string_view text, const std::string& name) {
  ConfigNode root = parse_yaml(text, name);
  if (root.kind != ConfigNode::Kind::map && root.kind != ConfigNode::Kind::null) {
    throw_user_error("{}: the file must contain settings ('name: value'), found {}", root.origin,
                     root.kind == ConfigNode::Kind::list ? "a list" : "text");
  }
  return root;
}

// Removes `include:` from the settings and returns the paths that it names.
std::vector<ConfigNode> take_includes(ConfigNode& root) {
  std::vector<ConfigNode> paths;
  std::erase_if(root.children, [&](ConfigNode& child) {
    if (child.key != kInclude) return false;
    if (child.kind == ConfigNode::Kind::list) {
      paths = child.children;
    } else if (child.kind != ConfigNode::Kind::null) {
      paths = {child};
    }
    return true;
  });
  for (const ConfigNode& path : paths) {
    if (path.kind != ConfigNode::Kind::scalar) {
      throw_user_error("{}: include must be a path or a list of paths", path.origin);
    }
  }
  return paths;
}

ConfigNode read_included(const ConfigNode& include, const std::string& including) {
  const auto folder = std::filesystem::path(including).parent_path();
  const std::string name = (folder / include.text).lexically_normal().string();
  if (name == std::filesystem::path(including).lexically_normal()) {
    throw_user_error("{}: the file includes itself", include.origin);
  }
  std::string text;
  try {
    text = read_file(name);
  } catch (const UserError& error) {
    throw_user_error("{}: {}", include.origin, error.what());
  }
  ConfigNode root = parse_settings(text, name);
  for (const ConfigNode& child : root.children) {
    if (child.key == kInclude) {
      throw_user_error("{}: an included file may not include others (it is included at {})", child.key_origin,
                       include.origin);
    }
  }
  return root;
}

}  // namespace

ConfigSource::ConfigSource(std::vector<ConfigNode> files)
    : files_(std::make_shared<const std::vector<ConfigNode>>(std::move(files))) {}

ConfigSource ConfigSource::from_file(const std::filesystem::path& path) {
  return from_text(read_file(path), path.string());
}

ConfigSource ConfigSource::from_text(std::string_view text, const std::string& name) {
  ConfigNode root = parse_settings(text, name);
  std::vector<ConfigNode> files;
  for (const ConfigNode& include : take_includes(root)) files.push_back(read_included(include, name));
  files.push_back(std::move(root));
  return ConfigSource(std::move(files));
}

void ConfigSource::add_overrides(const std::vector<Override>& overrides) {
  overrides_.insert(overrides_.end(), overrides.begin(), overrides.end());
}

}  // namespace cloob
