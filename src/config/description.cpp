#include "cloob/config/description.h"

#include <algorithm>

namespace cloob {

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

}  // namespace cloob
