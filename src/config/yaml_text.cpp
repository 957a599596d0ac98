#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/base/utf8.h"
#include "config/yaml.h"

namespace cloob {
namespace {

constexpr std::string_view kIndicators = "-?:,[]{}#&*!|>'\"%@`=<";

// Words that some YAML parser, 1.1 or 1.2, does not treat as text.
bool is_reserved_word(std::string_view text) {
  constexpr std::array<std::string_view, 16> kWords = {"null",  "~",    "true",  "false", "yes",  "no",
                                                       "on",    "off",  "y",     "n",     ".inf", "+.inf",
                                                       "-.inf", ".nan", "+.nan", "-.nan"};
  return std::find(kWords.begin(), kWords.end(), to_lower_ascii(text)) != kWords.end();
}

// Numbers in any YAML notation, dates and times.
bool looks_like_number(std::string_view text) {
  if (text[0] == '+') text.remove_prefix(1);
  if (text.starts_with("0x") || text.starts_with("0o")) return true;
  const bool begins_like_number = !text.empty() && ((text[0] >= '0' && text[0] <= '9') || text[0] == '.');
  return begins_like_number && text.find_first_not_of("0123456789eE_.:+-TtZ ") == std::string_view::npos;
}

// Characters that YAML allows only in double quotes, or treats as the end of a line.
bool needs_escape(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 || code == 0xfeff ||
         code == 0xfffe || code == 0xffff;
}

bool is_plain(std::string_view text, bool in_list) {
  if (text.empty() || kIndicators.find(text[0]) != std::string_view::npos) return false;
  if (text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  if (text.find(": ") != std::string_view::npos || text.find(" #") != std::string_view::npos) return false;
  if (in_list && text.find_first_of(",[]{}?:") != std::string_view::npos) return false;
  return !is_reserved_word(text) && !looks_like_number(text);
}

std::string escaped(char32_t code) {
  switch (code) {
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    case '\r':
      return "\\r";
    default:
      return code < 0x100 ? fmt::format("\\x{:02x}", static_cast<unsigned>(code))
                          : fmt::format("\\u{:04x}", static_cast<unsigned>(code));
  }
}

}  // namespace

std::string yaml_text(std::string_view text, bool in_list) {
  bool plain = is_plain(text, in_list);
  std::string quoted = "\"";
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Character character = decode_character(rest);
    if (character.length == 0) throw_user_error("a text setting is not valid UTF-8: '{}'", text);
    if (needs_escape(character.code)) {
      quoted += escaped(character.code);
      plain = false;
    } else {
      if (character.code == '"' || character.code == '\\') quoted += '\\';
      quoted += rest.substr(0, character.length);
    }
    rest.remove_prefix(character.length);
  }
  return plain ? std::string(text) : quoted + '"';
}

}  // namespace cloob
