#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "cloob/config/node.h"
#include "cloob/config/settings_tree.h"
#include "config/command_line.h"
#include "config/scalar.h"

namespace cloob {
namespace {

std::string quoted_name(std::string_view section) {
  return section.empty() ? "the top level" : fmt::format("'{}'", section);
}

// A setting of this name in any section, for a user who wrote it in the wrong one.
std::string same_name_elsewhere(const Description& description, std::string_view member) {
  for (const SettingInfo& setting : description.settings) {
    if (setting.name.substr(setting.name.rfind('.') + 1) == member) return setting.name;
  }
  return {};
}

// The setting that other programs call `name`: "--batch-size" and "train.batch_size" are train.global_batch_size.
std::string_view setting_known_as(const Description& description, std::string_view name) {
  std::string word = to_lower_ascii(name.substr(name.rfind('.') + 1));
  std::ranges::replace(word, '-', '_');
  for (const OtherName& other : description.sections.front().type->other_names) {
    if (other.name == word) return other.setting;
  }
  return {};
}

// The setting that `member` of `section` may stand for; empty if none is similar.
std::string similar_setting(const Description& description, const std::string& section,
                            const std::string& member) {
  const std::string_view known = setting_known_as(description, member);
  if (!known.empty()) return std::string(known);
  if (const auto near = closest_match(member, description.members_of(section)))
    return dotted_name(section, *near);
  if (member.find('.') != std::string::npos)
    return closest_match(dotted_name(section, member), names_of_settings(description)).value_or("");
  return same_name_elsewhere(description, member);
}

// A key as messages show it. In a file that holds something else than settings a key may be any text, such as a
// password: only what looks like a name is shown.
std::string shown_key(const std::string& section, std::string_view key) {
  constexpr std::size_t kMaxLength = 64;
  constexpr std::string_view kOthers = "_-.";
  const bool is_name = !key.empty() && key.size() <= kMaxLength && std::ranges::all_of(key, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != kOthers.npos;
  });
  return is_name ? fmt::format("unknown setting '{}'", dotted_name(section, key))
                 : "this key is not the name of a setting";
}

// ", did you mean ...?" or the members of the section.
std::string hint(const Description& description, const std::string& section, const std::string& member) {
  const std::vector<std::string> members = description.members_of(section);
  const std::string match = similar_setting(description, section, member);
  if (!match.empty()) return fmt::format(", did you mean '{}'?", match);
  if (members.empty())
    return fmt::format(", {} has a section of settings for each name", quoted_name(section));
  return fmt::format(", {} has {}", quoted_name(section), join(members, ", "));
}

// The words of a message that may be names of settings.
std::vector<std::string> names_in(std::string_view message) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789_.";
  std::vector<std::string> names;
  for (;;) {
    message.remove_prefix(std::min(message.find_first_of(kLetters), message.size()));
    if (message.empty()) return names;
    const std::size_t length = std::min(message.find_first_not_of(kLetters), message.size());
    names.emplace_back(message.substr(0, length));
    message.remove_prefix(length);
  }
}

class Reader {
 public:
  Reader(const Description& description, void* root, Origins& origins)
      : description_(description), root_(root), origins_(origins) {}

  // Mistakes are collected, so that a user sees all of them at once.
  void read(const std::vector<ConfigNode>& files, const std::vector<Override>& overrides,
            bool is_written_by_hand) {
    is_written_by_hand_ = is_written_by_hand;
    for (const ConfigNode& file : files) read_section("", file);
    for (const Override& override_ : overrides) {
      collect_errors([&] { apply(override_); });
    }
    throw_collected_errors();
    complete();
    validate();
  }

 private:
  template <class Action>
  void collect_errors(const Action& action) {
    constexpr std::size_t kMaxErrors = 10;
    try {
      action();
    } catch (const UserError& error) {
      errors_.emplace_back(error.what());
      if (errors_.size() < kMaxErrors) return;
      errors_.push_back(fmt::format("these are the first {}, there may be more", kMaxErrors));
      throw_collected_errors();
    }
  }

  void throw_collected_errors() const {
    if (!errors_.empty()) throw UserError(join(errors_, "\n"));
  }

  // An empty section changes nothing.
  void read_section(const std::string& section, const ConfigNode& node) {
    if (!node.children.empty()) section_origins_[section] = node.origin;
    for (const ConfigNode& child : node.children) {
      collect_errors([&] { read_member(section, child); });
    }
  }

  void apply(const Override& override_) {
    if (const SettingInfo* setting = description_.find_setting(override_.name)) {
      assign(*setting, command_line_node(*setting, override_.value));
    } else if (description_.has_section(override_.name)) {
      const std::vector<std::string> members = description_.members_of(override_.name);
      if (members.empty())
        throw_user_error("{}: '{}' has a section for each name: --{}.NAME.SETTING VALUE", kCommandLine,
                         override_.name, override_.name);
      throw_user_error("{}: '{}' is a section, set one of its settings: {} (--{}.{} VALUE)", kCommandLine,
                       override_.name, join(members, ", "), override_.name, members.front());
    } else if (!is_retired(override_.name, kCommandLine)) {
      reject_override(override_.name);
    }
  }

  // What explicit settings imply for others, and what follows from all of them.
  void complete() {
    const SectionType& root = *description_.sections.front().type;
    if (root.implied != nullptr) {
      for (const ImpliedSetting& implied : root.implied(root_)) {
        const auto by = origins_.find(implied.by);
        if (by == origins_.end() || origins_.contains(implied.name)) continue;
        description_.find_setting(implied.name)->set(root_, {implied.value});
        origins_[implied.name] = fmt::format("{} at {}", implied.by, by->second);
      }
    }
    if (root.complete != nullptr) root.complete(root_);
  }

  void validate() {
    // A section is listed before its nested sections, and these are validated first.
    for (auto section = description_.sections.rbegin(); section != description_.sections.rend(); ++section) {
      collect_errors([&] { validate_section(*section); });
    }
    throw_collected_errors();
  }

  void validate_section(const SectionInfo& section) const {
    try {
      section.validate(root_);
    } catch (const UserError& error) {
      const std::string_view origin = origin_of_error(section.name, error.what());
      throw_user_error("{}: {}{}", origin, error.what(), other_origins(error.what(), origin));
    }
  }

  // Whether `key` is the whole name of a section of a map, which may contain dots.
  bool is_in_map(const std::string& name, const std::string& key) const {
    return std::ranges::any_of(description_.sections, [&](const SectionInfo& section) {
      return section.name == name && section.path.back().map != nullptr && section.path.back().name == key;
    });
  }

  void read_member(const std::string& section, const ConfigNode& child) {
    const std::string name = dotted_name(section, child.key);
    const bool dotted_key = child.key.find('.') != std::string::npos && !is_in_map(name, child.key);
    const SettingInfo* setting = description_.find_setting(name);
    if (dotted_key && (setting != nullptr || description_.has_section(name))) {
      throw_user_error(
          "{}: the dotted name '{}' is for the command line only, in a file sections are nested: write '{}:' "
          "and the rest below it, indented",
          child.key_origin, child.key, child.key.substr(0, child.key.find('.')));
    }
    if (setting != nullptr) {
      assign(*setting, child);
    } else if (description_.has_section(name)) {
      require_section(name, child);
      read_section(name, child);
    } else if (!is_retired(name, child.key_origin)) {
      throw_user_error("{}: {}{}", child.key_origin, shown_key(section, child.key),
                       hint(description_, section, child.key));
    }
  }

  bool is_retired(std::string_view name, std::string_view origin) const {
    for (const RetiredSetting& setting : description_.sections.front().type->retired) {
      if (setting.name != name) continue;
      if (!is_written_by_hand_) return true;
      log_warning("config", "{}: {} is no longer a setting and is ignored: {}", origin, name, setting.reason);
      return true;
    }
    return false;
  }

  void require_section(const std::string& name, const ConfigNode& node) const {
    if (node.kind == ConfigNode::Kind::map || node.kind == ConfigNode::Kind::null) return;
    const std::vector<std::string> members = description_.members_of(name);
    throw_user_error("{}: {} is {}, must be {}", node.origin, name, found_text(node),
                     members.empty() ? "a section of settings for each name"
                                     : fmt::format("a section of settings ({})", join(members, ", ")));
  }

  [[noreturn]] void reject_override(const std::string& name) const {
    std::string_view section = name;
    do {
      const std::size_t dot = section.rfind('.');
      section = section.substr(0, dot == std::string_view::npos ? 0 : dot);
    } while (!description_.has_section(section));
    const std::string member = section.empty() ? name : name.substr(section.size() + 1);
    throw_user_error("{}: unknown setting '{}'{}", kCommandLine, name,
                     hint(description_, std::string(section), member));
  }

  void assign(const SettingInfo& setting, const ConfigNode& node) {
    setting.set(root_, parse_values(setting, node));
    origins_[setting.name] = node.origin;
  }

  // The origin of the first setting that the message names and that was set explicitly; the command line
  // before files, because it overrides them. Without such a setting, the origin of the section.
  std::string_view origin_of_error(const std::string& section, std::string_view message) const {
    std::string_view first;
    for (const std::string& name : names_in(message)) {
      const auto origin = origins_.find(name);
      if (origin == origins_.end()) continue;
      if (origin->second == kCommandLine) return kCommandLine;
      if (first.empty()) first = origin->second;
    }
    if (!first.empty()) return first;
    const auto origin = section_origins_.find(section);
    return origin == section_origins_.end() ? kCommandLine : origin->second;
  }

  // " (optimizer.lr is set at run.yaml:3:7)" for the settings in a message that were set elsewhere.
  std::string other_origins(std::string_view message, std::string_view known) const {
    std::vector<std::string> others;
    for (const std::string& name : names_in(message)) {
      const auto origin = origins_.find(name);
      if (origin == origins_.end() || origin->second == known) continue;
      if (description_.find_setting(name)->get(root_).empty()) continue;  // null
      const std::string other = fmt::format("{} is set at {}", name, origin->second);
      if (std::find(others.begin(), others.end(), other) == others.end()) others.push_back(other);
    }
    return others.empty() ? "" : fmt::format(" ({})", join(others, ", "));
  }

  static Values parse_values(const SettingInfo& setting, const ConfigNode& node) {
    if (setting.shape == Shape::optional && node.kind == ConfigNode::Kind::null) return {};
    if (node.kind == ConfigNode::Kind::scalar) return {parse_scalar(setting, node, setting.name)};
    if (setting.shape != Shape::list || node.kind != ConfigNode::Kind::list) {
      reject_value(setting, node, setting.name, expected(setting));
    }
    Values values;
    for (const ConfigNode& element : node.children) {
      values.push_back(parse_scalar(setting, element, fmt::format("{}[{}]", setting.name, values.size())));
    }
    return values;
  }

  static std::string expected(const SettingInfo& setting) {
    switch (setting.shape) {
      case Shape::single:
        break;
      case Shape::optional:
        return expected_scalar(setting) + " or null";
      case Shape::list:
        return "a list, each element " + expected_scalar(setting);
    }
    return expected_scalar(setting);
  }

  const Description& description_;
  void* root_;
  Origins& origins_;
  std::map<std::string, std::string, std::less<>> section_origins_;  // of sections that occur in a file
  std::vector<std::string> errors_;
  bool is_written_by_hand_ = true;
};

const ConfigNode* find_node(const ConfigNode& file, const Path& path) {
  const ConfigNode* node = &file;
  for (const PathStep& step : path) {
    const auto found =
        std::ranges::find(node->children, step.name, [](const ConfigNode& child) { return child.key; });
    if (found == node->children.end()) return nullptr;
    node = &*found;
  }
  return node;
}

// The name in "NAME.setting", where names and settings may contain dots: the shortest one with a setting after it, or else all
// before the last dot. `any` begins the settings of a section with any name.
std::string name_before_setting(const Description& description, const std::string& any,
                                const std::string& text) {
  for (std::size_t dot = text.find('.'); dot != text.npos; dot = text.find('.', dot + 1)) {
    if (dot > 0 && description.find_setting(any + text.substr(dot)) != nullptr) return text.substr(0, dot);
  }
  const std::size_t last = text.rfind('.');
  return last == text.npos ? "" : text.substr(0, last);
}

// The names of the sections of a map that occur in files and on the command line.
std::vector<std::string> names_in(const Description& description, const std::vector<ConfigNode>& files,
                                  const std::vector<Override>& overrides, const Path& path) {
  constexpr std::size_t kMaxNames = 1000;  // each adds all settings of its section
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::ranges::find(names, name) != names.end()) return;
    if (names.size() == kMaxNames)
      throw_user_error("'{}' has more than {} names", path.back().name, with_thousands(kMaxNames));
    names.push_back(name);
  };
  for (const ConfigNode& file : files) {
    const ConfigNode* const node = find_node(file, path);
    if (node == nullptr || node->kind != ConfigNode::Kind::map) continue;
    for (const ConfigNode& child : node->children) add(child.key);
  }
  std::string prefix;
  for (const PathStep& step : path) prefix += step.name + ".";
  for (const Override& override_ : overrides) {
    if (!override_.name.starts_with(prefix)) continue;
    const std::string name =
        name_before_setting(description, prefix + kAnyName, override_.name.substr(prefix.size()));
    if (!name.empty()) add(name);
  }
  return names;
}

void read_layers(const Description& description, const std::vector<ConfigNode>& files,
                 const std::vector<Override>& overrides, bool is_written_by_hand, void* root,
                 Origins& origins) {
  origins.clear();
  const Description with_names = describe(
      *description.sections.front().type,
      [&](const Path& path, const SectionMapType&) { return names_in(description, files, overrides, path); });
  Reader(with_names, root, origins).read(files, overrides, is_written_by_hand);
}

}  // namespace

void read_settings(const Description& description, const ConfigSource& source, void* root, Origins& origins) {
  read_layers(description, source.files(), source.overrides(), source.is_written_by_hand(), root, origins);
}

void read_settings(const Description& description, const std::vector<ConfigNode>& layers, void* root,
                   Origins& origins) {
  read_layers(description, layers, {}, /*is_written_by_hand=*/true, root, origins);
}

std::vector<std::string> names_of_settings(const Description& description) {
  std::vector<std::string> names;
  for (const SettingInfo& setting : description.settings) names.push_back(setting.name);
  return names;
}

}  // namespace cloob
