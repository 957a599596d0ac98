#include <fmt/core.h>

#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "config/print.h"
#include "config/scalar.h"

namespace cloob {
namespace {

constexpr std::string_view kIntroduction =
    "# Settings\n"
    "\n"
    "Generated from the declarations in the source.\n"
    "\n"
    "In a YAML file a setting is nested in its section: `optimizer.lr` is `lr:`, indented below\n"
    "`optimizer:`. On the command line it is `--optimizer.lr VALUE`, which overrides the file.\n"
    "`include:` at the top level of a file names one file or a list of files, relative to it, whose\n"
    "settings it includes and may override. A list of one element may be given as a single value, and a\n"
    "list on the command line as `a,b`.\n";

// Escapes text for a table cell: a bar would end the cell even inside code.
std::string in_cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string code(std::string_view text) { return fmt::format("`{}`", in_cell(text)); }

std::string type_text(const SettingInfo& setting) {
  const bool list = setting.shape == Shape::list;
  std::string type;
  switch (setting.kind) {
    case ScalarKind::boolean:
      type = list ? "booleans" : "boolean";
      break;
    case ScalarKind::integer:
      type = list ? "integers" : "integer";
      break;
    case ScalarKind::number:
      type = list ? "numbers" : "number";
      break;
    case ScalarKind::text:
      type = list ? "texts" : "text";
      break;
    case ScalarKind::choice:
      type = list ? "choices" : "choice";
      break;
  }
  if (list) return "list of " + type;
  return setting.shape == Shape::optional ? type + " or `null`" : type;
}

std::string allowed_text(const SettingInfo& setting) {
  if (setting.kind == ScalarKind::boolean) return "`true`, `false`";
  if (setting.kind == ScalarKind::choice) return fmt::format("`{}`", join(setting.choices, "`, `"));
  const std::string range = range_text(setting.range);
  return range.empty() ? "any" : range;
}

std::string row(const SettingInfo& setting, const void* defaults) {
  return fmt::format("| {} | {} | {} | {} | {} |\n", code(setting.name), type_text(setting),
                     code(value_text(setting, setting.get(defaults))), allowed_text(setting),
                     in_cell(setting.doc));
}

// The settings directly in a section, without those of nested sections.
std::string table(const Description& description, const std::string& section, const void* defaults) {
  std::string rows;
  for (const SettingInfo& setting : description.settings) {
    const std::size_t dot = setting.name.rfind('.');
    const std::string owner = dot == std::string::npos ? "" : setting.name.substr(0, dot);
    if (owner == section) rows += row(setting, defaults);
  }
  if (rows.empty()) return {};
  return "\n| Setting | Type | Default | Allowed | Meaning |\n|---|---|---|---|---|\n" + rows;
}

}  // namespace

std::string document_settings(const Description& description, const void* defaults) {
  std::string text(kIntroduction);
  for (const SectionInfo& section : description.sections) {
    const std::string rows = table(description, section.name, defaults);
    if (section.name.empty()) {
      if (!rows.empty()) text += "\n## Top level\n" + rows;
    } else {
      text += fmt::format("\n## {}\n\n{}\n{}", section.name, section.doc, rows);
    }
  }
  return text;
}

}  // namespace cloob
