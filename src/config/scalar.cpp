#include "config/scalar.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "config/yaml.h"

namespace cloob {
namespace {

std::optional<double> parse_number(std::string_view text) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (text == ".inf" || text == "+.inf") return kInfinity;
  if (text == "-.inf") return -kInfinity;
  const auto number = parse_double(text);
  // In YAML the words "inf" and "nan" are text.
  return number && std::isfinite(*number) ? number : std::nullopt;
}

// Also accepts integers in floating-point notation, 1e6, as long as a double represents them exactly.
std::optional<std::int64_t> parse_any_integer(std::string_view text) {
  if (const auto integer = parse_integer(text)) return integer;
  constexpr double kMaxExact = 9007199254740992.0;  // 2^53
  const auto number = parse_number(text);
  if (!number || std::abs(*number) > kMaxExact || std::trunc(*number) != *number) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

// 1e+9 -> 1e9
std::string bound_text(double bound) {
  std::string text = shortest(bound);
  std::erase(text, '+');
  return text;
}

// A boolean or a number; nullopt when the text is neither.
std::optional<Scalar> parse_plain(ScalarKind kind, std::string_view text) {
  if (kind == ScalarKind::integer) return parse_any_integer(text);
  if (kind == ScalarKind::number) return parse_number(text);
  if (text == "true" || text == "false") return text == "true";
  return std::nullopt;
}

void check_range(const SettingInfo& setting, const ConfigNode& node, const std::string& name,
                 const Scalar& value) {
  if (setting.kind == ScalarKind::boolean) return;
  const double number = setting.kind == ScalarKind::integer
                            ? static_cast<double>(std::get<std::int64_t>(value))
                            : std::get<double>(value);
  if (number >= setting.range.low && number <= setting.range.high) return;
  throw_user_error("{}: {} is {}, must be {} ({})", node.origin, name, node.text, range_text(setting.range),
                   setting.doc);
}

std::string parse_choice(const SettingInfo& setting, const ConfigNode& node, const std::string& name) {
  const auto& choices = setting.choices;
  if (std::find(choices.begin(), choices.end(), node.text) != choices.end()) return node.text;
  throw_user_error("{}: {} is {}, must be {}{}", node.origin, name, found_text(node),
                   expected_scalar(setting), suggestion(node.text, choices));
}

}  // namespace

Scalar parse_scalar(const SettingInfo& setting, const ConfigNode& node, const std::string& name) {
  if (node.kind != ConfigNode::Kind::scalar) reject_value(setting, node, name, expected_scalar(setting));
  if (setting.kind == ScalarKind::text) return node.text;
  if (setting.kind == ScalarKind::choice) return parse_choice(setting, node, name);
  if (!node.quoted) {
    if (const auto value = parse_plain(setting.kind, node.text)) {
      check_range(setting, node, name, *value);
      return *value;
    }
  }
  reject_value(setting, node, name, expected_scalar(setting));
}

void reject_value(const SettingInfo& setting, const ConfigNode& node, const std::string& name,
                  const std::string& expected) {
  const bool missing = node.kind == ConfigNode::Kind::null;
  throw_user_error("{}: {} {}, must be {} ({})", node.origin, name,
                   missing ? "has no value" : "is " + found_text(node), expected, setting.doc);
}

std::string expected_scalar(const SettingInfo& setting) {
  const std::string range = range_text(setting.range);
  switch (setting.kind) {
    case ScalarKind::boolean:
      return "true or false";
    case ScalarKind::integer:
      return "a whole number" + (range.empty() ? "" : " " + range);
    case ScalarKind::number:
      return "a number" + (range.empty() ? "" : " " + range);
    case ScalarKind::text:
      return "text";
    case ScalarKind::choice:
      return "one of " + join(setting.choices, "|");
  }
  CLOOB_CHECK(false, "setting '{}' is of an unknown kind", setting.name);
  return {};
}

std::string range_text(const Range& range) {
  const bool has_low = std::isfinite(range.low);
  const bool has_high = std::isfinite(range.high);
  if (has_low && has_high) return fmt::format("in [{}, {}]", bound_text(range.low), bound_text(range.high));
  if (has_low) return "at least " + bound_text(range.low);
  if (has_high) return "at most " + bound_text(range.high);
  return {};
}

std::string found_text(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::null:
      return "empty";
    case ConfigNode::Kind::list:
      return "a list";
    case ConfigNode::Kind::map:
      return "a map";
    case ConfigNode::Kind::scalar:
      break;
  }
  if (node.quoted && parse_number(node.text)) return fmt::format("the quoted text '{}'", node.text);
  if (parse_number(node.text)) return node.text;
  // Multi-line text would break the message into several lines.
  return node.text.find('\n') == std::string::npos ? fmt::format("'{}'", node.text)
                                                   : yaml_text(node.text, false);
}

}  // namespace cloob
