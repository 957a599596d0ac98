#include <cmath>
#include <nlohmann/json.hpp>

#include "cloob/base/text.h"
#include "cloob/config/config.h"

namespace cloob {
namespace {

using Json = nlohmann::ordered_json;

std::string_view type_name(ScalarKind kind) {
  switch (kind) {
    case ScalarKind::boolean:
      return "boolean";
    case ScalarKind::integer:
      return "integer";
    case ScalarKind::number:
      return "number";
    case ScalarKind::text:
    case ScalarKind::choice:
      break;
  }
  return "string";
}

Json bound_json(const SettingInfo& setting, double bound) {
  if (setting.kind == ScalarKind::integer) return static_cast<std::int64_t>(bound);
  return bound;
}

Json element_schema(const SettingInfo& setting) {
  const bool nullable = setting.shape == Shape::optional;
  Json schema;
  if (setting.kind == ScalarKind::choice) {
    schema["enum"] = setting.choices;
    if (nullable) schema["enum"].push_back(nullptr);
    return schema;
  }
  Json types = Json::array({type_name(setting.kind)});
  // A number used as text needs no quotes.
  if (setting.kind == ScalarKind::text) types.push_back("number");
  if (nullable) types.push_back("null");
  schema["type"] = types.size() == 1 ? types[0] : types;
  if (std::isfinite(setting.range.low)) schema["minimum"] = bound_json(setting, setting.range.low);
  if (std::isfinite(setting.range.high)) schema["maximum"] = bound_json(setting, setting.range.high);
  return schema;
}

Json scalar_json(const Scalar& scalar) {
  return std::visit([](const auto& value) { return Json(value); }, scalar);
}

Json default_json(const SettingInfo& setting, const Values& values) {
  if (setting.shape == Shape::single) return scalar_json(values.at(0));
  if (setting.shape == Shape::optional) return values.empty() ? Json() : scalar_json(values[0]);
  Json list = Json::array();
  for (const Scalar& value : values) list.push_back(scalar_json(value));
  return list;
}

Json setting_schema(const SettingInfo& setting, const void* defaults) {
  Json schema;
  if (setting.shape == Shape::list) {
    const Json element = element_schema(setting);
    schema["anyOf"] = {element, {{"type", "array"}, {"items", element}}};
  } else {
    schema = element_schema(setting);
  }
  schema["description"] = setting.doc;
  schema["default"] = default_json(setting, setting.get(defaults));
  return schema;
}

Json include_schema() {
  const Json path = {{"type", "string"}};
  return {{"anyOf", {path, {{"type", "array"}, {"items", path}}}},
          {"description", "Files to include, relative to this one; settings in this file override theirs."}};
}

// The schema of the member at a path. The sections of a map share one schema for all names.
Json& schema_at(Json& root, const Path& path) {
  Json* schema = &root;
  for (const PathStep& step : path)
    schema = step.map != nullptr ? &(*schema)["additionalProperties"] : &(*schema)["properties"][step.name];
  return *schema;
}

Json section_schema(const SectionInfo& section) {
  return {{"type", {"object", "null"}},
          {"description", section.doc},
          {"additionalProperties", false},
          {"properties", Json::object()}};
}

}  // namespace

std::string settings_schema(const Description& description, const void* defaults) {
  Json root = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
               {"type", {"object", "null"}},
               {"additionalProperties", false},
               {"properties", {{"include", include_schema()}}}};
  for (const SectionInfo& section : description.sections) {
    if (section.name.empty()) continue;
    schema_at(root, section.path) = section_schema(section);
  }
  for (const SettingInfo& setting : description.settings) {
    schema_at(root, setting.path) = setting_schema(setting, defaults);
  }
  return root.dump(2) + "\n";
}

}  // namespace cloob
