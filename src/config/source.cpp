#include "cloob/config/source.h"

#include <algorithm>
#include <span>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "config/node.h"
#include "config/yaml.h"

namespace cloob {
namespace {

constexpr std::string_view kInclude = "include";
constexpr std::uint64_t kMaxBytes = 1 << 20;

std::string read_settings_file(const std::filesystem::path& path) {
  return read_small_file(path, kMaxBytes, "a file of settings");
}

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

// Appends the files that `text` includes, each after those that it includes itself, and then its own settings.
// `open` are the files that led here.
void add_files(std::string_view text, const std::string& name, std::vector<std::string>& open,
               std::vector<ConfigNode>& files) {
  ConfigNode root = parse_settings(text, name);
  open.push_back(std::filesystem::path(name).lexically_normal().string());
  for (const ConfigNode& include : take_includes(root)) {
    const auto folder = std::filesystem::path(name).parent_path();
    const std::string included = (folder / include.text).lexically_normal().string();
    if (const auto begin = std::ranges::find(open, included); begin != open.end()) {
      throw_user_error("{}: the files include each other: {} -> {}", include.origin,
                       join(std::span(begin, open.end()), " -> "), included);
    }
    std::string content;
    try {
      content = read_settings_file(included);
    } catch (const UserError& error) {
      throw_user_error("{}: {}", include.origin, error.what());
    }
    add_files(content, included, open, files);
  }
  open.pop_back();
  files.push_back(std::move(root));
}

}  // namespace

ConfigSource::ConfigSource(std::vector<ConfigNode> files)
    : files_(std::make_shared<const std::vector<ConfigNode>>(std::move(files))) {}

ConfigSource ConfigSource::from_file(const std::filesystem::path& path) {
  return from_text(read_settings_file(path), path.string());
}

ConfigSource ConfigSource::from_text(std::string_view text, const std::string& name) {
  std::vector<std::string> open;
  std::vector<ConfigNode> files;
  add_files(text, name, open, files);
  return ConfigSource(std::move(files));
}

void ConfigSource::replace_included(std::string_view section, const std::filesystem::path& path) {
  std::vector<ConfigNode> files = from_file(path).files();
  for (std::size_t i = 0; i < files_->size(); ++i) {
    const ConfigNode& file = (*files_)[i];
    const bool is_included = i + 1 < files_->size();
    if (is_included && file.children.size() == 1 && file.children.front().key == section) continue;
    files.push_back(file);
  }
  files_ = std::make_shared<const std::vector<ConfigNode>>(std::move(files));
}

ConfigSource ConfigSource::from_data(std::string_view text, const std::string& name,
                                     std::uint64_t max_bytes) {
  if (text.size() > max_bytes) {
    throw_user_error("{}: the settings have {}, more than the limit of {}", name, human_bytes(text.size()),
                     human_bytes(max_bytes));
  }
  std::vector<ConfigNode> files = {parse_settings(text, name)};
  if (const auto includes = take_includes(files[0]); !includes.empty())
    throw_user_error("{}: settings inside a file of data may not include other files", includes[0].origin);
  ConfigSource source(std::move(files));
  source.is_written_by_hand_ = false;
  return source;
}

void ConfigSource::add_overrides(const std::vector<Override>& overrides) {
  overrides_.insert(overrides_.end(), overrides.begin(), overrides.end());
}

}  // namespace cloob
