#include "config/print.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "config/yaml.h"

namespace cloob {
namespace {

struct Line {
  std::string text;
  std::string origin;  // empty: no comment
};

std::string number_text(double number) {
  if (std::isinf(number)) return number < 0 ? "-.inf" : ".inf";
  return shortest(number);
}

std::string scalar_text(const Scalar& scalar, bool in_list) {
  if (const auto* boolean = std::get_if<bool>(&scalar)) return *boolean ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&scalar)) return fmt::format("{}", *integer);
  if (const auto* number = std::get_if<double>(&scalar)) return number_text(*number);
  return yaml_text(std::get<std::string>(scalar), in_list);
}

std::size_t common_depth(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  const auto ends = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(ends.first - a.begin());
}

std::vector<Line> lines_of(const Description& description, const void* root, const Origins& origins) {
  std::vector<Line> lines;
  std::vector<std::string> open_sections;
  for (const SettingInfo& setting : description.settings) {
    std::vector<std::string> sections;
    for (const PathStep& step : setting.path)
      sections.push_back(step.map != nullptr ? yaml_text(step.name, /*in_list=*/false) : step.name);
    const std::string member = sections.back();
    sections.pop_back();
    for (std::size_t depth = common_depth(sections, open_sections); depth < sections.size(); ++depth) {
      lines.push_back({fmt::format("{:{}}{}:", "", 2 * depth, sections[depth]), ""});
    }
    const auto origin = origins.find(setting.name);
    lines.push_back(
        {fmt::format("{:{}}{}: {}", "", 2 * sections.size(), member, value_text(setting, setting.get(root))),
         origin == origins.end() ? "" : origin->second});
    open_sections = std::move(sections);
  }
  return lines;
}

}  // namespace

std::string value_text(const SettingInfo& setting, const Values& values) {
  if (setting.shape == Shape::single) return scalar_text(values.at(0), /*in_list=*/false);
  if (setting.shape == Shape::optional)
    return values.empty() ? "null" : scalar_text(values[0], /*in_list=*/false);
  std::vector<std::string> elements;
  for (const Scalar& value : values) elements.push_back(scalar_text(value, /*in_list=*/true));
  return fmt::format("[{}]", join(elements, ", "));
}

std::map<std::string, std::string> values_of_settings(const Description& description, const void* root) {
  std::map<std::string, std::string> values;
  for (const SettingInfo& setting : describe_value(description, root).settings) {
    values.emplace(setting.name, value_text(setting, setting.get(root)));
  }
  return values;
}

std::string print_settings(const Description& description, const void* root, const Origins& origins) {
  const std::vector<Line> lines = lines_of(describe_value(description, root), root, origins);
  // One long value must not push all comments out of view.
  constexpr std::size_t kMaxColumns = 48;
  std::size_t columns = 0;
  for (const Line& line : lines) {
    if (!line.origin.empty() && line.text.size() <= kMaxColumns)
      columns = std::max(columns, line.text.size());
  }
  std::string text;
  for (const Line& line : lines) {
    text += line.origin.empty() ? line.text : fmt::format("{:<{}}  # {}", line.text, columns, line.origin);
    text += '\n';
  }
  return text;
}

}  // namespace cloob
