// The named character references of HTML 5.
#pragma once

#include <string_view>

namespace cloob {

struct HtmlEntity {
  std::string_view
      name;  // without the ampersand; with the semicolon, except for 106 old names that have both forms
  std::u32string_view text;
};

/// Looks up "amp;" or "amp". Null when there is no such entity.
const HtmlEntity* find_html_entity(std::string_view name);

/// Looks up the capitals of a lower-case entity, "EACUTE;", where HTML itself gives them no meaning.
const HtmlEntity* find_shouted_html_entity(std::string_view name);

}  // namespace cloob
