// The named character references of HTML 5.
#pragma once

#include <string_view>

namespace cloob {

struct HtmlEntity {
  // Without the ampersand; with the semicolon, except for 106 old names that have both forms.
  std::string_view name;
  std::u32string_view text;
};

/// Looks up "amp;" or "amp". Null when there is no such entity.
const HtmlEntity* find_html_entity(std::string_view name);

/// Looks up the upper-case form of a lower-case entity, "EACUTE;", unless HTML itself defines that name.
const HtmlEntity* find_shouted_html_entity(std::string_view name);

}  // namespace cloob
