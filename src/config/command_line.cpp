#include "config/command_line.h"

#include <filesystem>
#include <system_error>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/base/utf8.h"
#include "cloob/config/source.h"
#include "config/yaml.h"

namespace cloob {
namespace {

// Splits at commas outside of braces: "{00..12}.tar,b-{x,y}.tar" has two elements.
std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> elements;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}') --depth;
    if (text[i] != ',' || depth > 0) continue;
    elements.emplace_back(trim(text.substr(begin, i - begin)));
    begin = i + 1;
  }
  elements.emplace_back(trim(text.substr(begin)));
  return elements;
}

// A name may begin or end with blanks, and an existing file may have commas in its name: both are one element.
std::vector<std::string> split_texts(const std::string& text) {
  std::error_code ignored;
  if (std::filesystem::exists(text, ignored)) return {text};
  std::vector<std::string> elements = split_list(text);
  return elements.size() == 1 ? std::vector{text} : elements;
}

ConfigNode command_line_scalar(const std::string& text) {
  ConfigNode node;
  node.kind = ConfigNode::Kind::scalar;
  node.origin = kCommandLine;
  node.text = text;
  return node;
}

ConfigNode command_line_list(const SettingInfo& setting, const std::string& text) {
  ConfigNode list;
  list.kind = ConfigNode::Kind::list;
  if (trim(text).starts_with('[')) {
    try {
      list = parse_yaml(text, std::string(kCommandLine));
    } catch (const UserError&) {
      throw_user_error("{}: {} is '{}', which is not a list: write '[a, b]' or a,b", kCommandLine,
                       setting.name, text);
    }
    for (ConfigNode& element : list.children) element.origin = kCommandLine;
  } else if (!trim(text).empty()) {
    const bool is_text = setting.kind == ScalarKind::text;
    for (const std::string& element : is_text ? split_texts(text) : split_list(text))
      list.children.push_back(command_line_scalar(element));
  }
  list.origin = kCommandLine;
  return list;
}

}  // namespace

ConfigNode command_line_node(const SettingInfo& setting, const std::string& text) {
  if (setting.shape == Shape::list) return command_line_list(setting, text);
  ConfigNode node = command_line_scalar(text);
  const bool is_text = setting.kind == ScalarKind::text;
  const bool is_null = text == "null" || text == "~";
  if ((text.empty() && !is_text) || (is_null && (!is_text || setting.shape == Shape::optional))) {
    node.kind = ConfigNode::Kind::null;
  }
  return node;
}

std::vector<Override> parse_overrides(const std::vector<std::string>& arguments) {
  std::vector<Override> overrides;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with("--") || argument.size() == 2 || argument[2] == '=') {
      std::error_code ignored;
      const bool is_file = std::filesystem::exists(argument, ignored);
      throw_user_error("command line: unexpected '{}', settings are given as --section.key VALUE{}", argument,
                       is_file ? "; put patterns such as '*.tar' in quotes, or the shell expands them" : "");
    }
    const std::size_t equals = argument.find('=');
    Override parsed{argument.substr(2, equals == std::string::npos ? equals : equals - 2), ""};
    if (equals != std::string::npos) {
      parsed.value = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size() && !arguments[i + 1].starts_with("--")) {
      parsed.value = arguments[++i];
    } else {
      throw_user_error(
          "command line: {} has no value, write {} VALUE (or {}=VALUE for a value that begins with --)",
          argument, argument, argument);
    }
    if (valid_utf8_length(parsed.value) != parsed.value.size()) {
      throw_user_error("command line: the value of --{} is not valid UTF-8", parsed.name);
    }
    overrides.push_back(std::move(parsed));
  }
  return overrides;
}

}  // namespace cloob
