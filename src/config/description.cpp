#include "cloob/config/description.h"

#include <algorithm>

namespace cloob {
namespace {

void* follow(const Path& path, void* root) {
  for (const PathStep& step : path)
    root = step.map != nullptr ? step.map->find(root, step.name) : step.locate(root);
  return root;
}

// The cast is safe: following a path modifies nothing as long as the maps contain its names.
const void* follow(const Path& path, const void* root) { return follow(path, const_cast<void*>(root)); }

std::string dotted(const Path& path) {
  std::string name;
  for (const PathStep& step : path) name = dotted_name(name, step.name);
  return name;
}

constexpr SectionType kNoSettings = {.fields = {}, .validate = nullptr, .other_names = {}, .retired = {}};

void add_section(SectionInfo section, const NamesInMap& names, Description& description);

void add_map(const std::string& doc, const Path& path, const SectionMapType& map, const NamesInMap& names,
             Description& description) {
  description.sections.push_back({dotted(path), doc, path, &kNoSettings});
  for (const std::string& name : names ? names(path, map) : std::vector<std::string>{kAnyName}) {
    Path to_element = path;
    to_element.push_back({.map = &map, .name = name});
    add_section({dotted(to_element), doc, to_element, map.element}, names, description);
  }
}

// Adds a section and everything below it.
void add_section(SectionInfo section, const NamesInMap& names, Description& description) {
  description.sections.push_back(section);
  for (const FieldEntry& field : section.type->fields) {
    Path path = section.path;
    path.push_back({.locate = field.locate, .map = nullptr, .name = std::string(field.name)});
    if (field.section != nullptr) {
      add_section({dotted(path), std::string(field.doc), path, field.section}, names, description);
    } else if (field.map != nullptr) {
      add_map(std::string(field.doc), path, *field.map, names, description);
    } else {
      const MemberType& type = *field.type;
      description.settings.push_back({.name = dotted(path),
                                      .doc = std::string(field.doc),
                                      .kind = type.kind,
                                      .shape = type.shape,
                                      .range = field.range,
                                      .choices = {type.choices.begin(), type.choices.end()},
                                      .path = std::move(path),
                                      .type = field.type});
    }
  }
}

}  // namespace

Values SettingInfo::get(const void* root) const { return type->read(follow(path, root)); }

void SettingInfo::set(void* root, const Values& values) const { type->write(follow(path, root), values); }

void SectionInfo::validate(const void* root) const {
  if (type->validate != nullptr) type->validate(follow(path, root));
}

const SettingInfo* Description::find_setting(std::string_view name) const {
  const auto found = std::find_if(settings.begin(), settings.end(),
                                  [&](const SettingInfo& setting) { return setting.name == name; });
  return found == settings.end() ? nullptr : &*found;
}

bool Description::has_section(std::string_view name) const {
  return std::any_of(sections.begin(), sections.end(),
                     [&](const SectionInfo& section) { return section.name == name; });
}

std::vector<std::string> Description::members_of(std::string_view section) const {
  const std::string prefix = dotted_name(section, "");
  std::vector<std::string> members;
  for (const SettingInfo& setting : settings) {
    if (!setting.name.starts_with(prefix)) continue;
    const std::string member =
        setting.name.substr(prefix.size(), setting.name.find('.', prefix.size()) - prefix.size());
    // All settings of one section are adjacent, so a repeated name can only be the last one.
    if (members.empty() || members.back() != member) members.push_back(member);
  }
  return members;
}

std::string dotted_name(std::string_view section, std::string_view member) {
  return section.empty() ? std::string(member) : fmt::format("{}.{}", section, member);
}

Description describe(const SectionType& root, const NamesInMap& names) {
  Description description;
  add_section({.name = "", .doc = "", .path = {}, .type = &root}, names, description);
  return description;
}

Description describe_value(const Description& description, const void* value) {
  return describe(*description.sections.front().type, [value](const Path& path, const SectionMapType& map) {
    return map.names(follow(path, value));
  });
}

}  // namespace cloob
