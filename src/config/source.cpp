#include "cloob/config/source.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <span>
#include <system_error>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/text.h"
#include "cloob/config/node.h"
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

// The files of settings in the order in which they are read.
struct IncludedFiles {
  std::vector<ConfigNode> files;
  std::vector<std::string> open;     // those that led to the one being read
  bool may_lack_one = false;         // an include that does not exist is put into `missing`
  std::vector<std::string> missing;  // with what is wrong
};

// Where the program has a file of the same name, for a recipe that was copied out of configs/.
std::string own_file(const std::filesystem::path& included) {
  const auto name = included.parent_path().filename() / included.filename();
  std::error_code error;
  try {
    const auto own = find_resource("configs") / name;
    if (std::filesystem::exists(own, error)) return fmt::format("; the program has {}", own.string());
  } catch (const UserError&) {  // not installed
  }
  return "";
}

// Appends the files that `text` includes, each after those that it includes itself, and then its own settings.
void add_files(std::string_view text, const std::string& name, IncludedFiles& all) {
  constexpr std::size_t kMaxFiles = 1000;  // two includes of one file in each of n files double it n times
  ConfigNode root = parse_settings(text, name);
  all.open.push_back(std::filesystem::path(name).lexically_normal().string());
  for (const ConfigNode& include : take_includes(root)) {
    const auto folder = std::filesystem::path(name).parent_path();
    const std::string included = (folder / include.text).lexically_normal().string();
    if (const auto begin = std::ranges::find(all.open, included); begin != all.open.end()) {
      throw_user_error("{}: the files include each other: {} -> {}", include.origin,
                       join(std::span(begin, all.open.end()), " -> "), included);
    }
    std::string content;
    try {
      content = read_settings_file(included);
    } catch (const UserError& error) {
      std::error_code ignored;
      const bool is_missing = !std::filesystem::exists(included, ignored);
      all.missing.push_back(
          fmt::format("{}: {}{}", include.origin, error.what(), is_missing ? own_file(included) : ""));
      if (is_missing && all.may_lack_one) continue;
      throw UserError(all.missing.back());
    }
    add_files(content, included, all);
    if (all.files.size() > kMaxFiles)
      throw_user_error("{}: more than {} files are included", include.origin, kMaxFiles);
  }
  all.open.pop_back();
  all.files.push_back(std::move(root));
}

}  // namespace

ConfigSource::ConfigSource(std::vector<ConfigNode> files)
    : files_(std::make_shared<const std::vector<ConfigNode>>(std::move(files))) {}

ConfigSource ConfigSource::from_file(const std::filesystem::path& path) {
  return from_text(read_settings_file(path), path.string());
}

ConfigSource ConfigSource::from_text(std::string_view text, const std::string& name) {
  IncludedFiles all;
  add_files(text, name, all);
  return ConfigSource(std::move(all.files));
}

ConfigSource ConfigSource::from_file_with(const std::filesystem::path& path, std::string_view section,
                                          const std::filesystem::path& replacement) {
  IncludedFiles all;
  all.may_lack_one = true;
  add_files(read_settings_file(path), path.string(), all);
  const auto is_replaced = [&](const ConfigNode& file) {
    return &file != &all.files.back() && file.children.size() == 1 && file.children.front().key == section;
  };
  const bool lacks_the_replaced = std::ranges::none_of(all.files, is_replaced);
  if (all.missing.size() > (lacks_the_replaced ? 1 : 0)) throw UserError(all.missing.back());
  std::vector<ConfigNode> files = from_file(replacement).files();
  std::ranges::copy_if(all.files, std::back_inserter(files), std::not_fn(is_replaced));
  return ConfigSource(std::move(files));
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
