#include "cloob/config/description.h"

#include <algorithm>

namespace cloob {
namespace {

void* follow(const Path& path, void* root) {
  for (const auto locate : path) root = locate(root);
  return root;
}

// Following a path changes nothing on its way.
const void* follow(const Path& path, const void* root) { return follow(path, const_cast<void*>(root)); }

// Adds a section and everything below it.
void add_section(const SectionInfo& section, Description& description) {
  description.sections.push_back(section);
  for (const FieldEntry& field : section.type->fields) {
    std::string name = dotted_name(section.name, field.name);
    Path path = section.path;
    path.push_back(field.locate);
    if (field.section != nullptr) {
      add_section({std::move(name), std::string(field.doc), std::move(path), field.section}, description);
    } else {
      const MemberType& type = *field.type;
      description.settings.push_back({.name = std::move(name),
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
    // All settings of one section stand together, so a repeated name is the last one.
    if (members.empty() || members.back() != member) members.push_back(member);
  }
  return members;
}

std::string dotted_name(std::string_view section, std::string_view member) {
  return section.empty() ? std::string(member) : fmt::format("{}.{}", section, member);
}

Description describe(const SectionType& root) {
  Description description;
  add_section({.name = "", .doc = "", .path = {}, .type = &root}, description);
  return description;
}

}  // namespace cloob
