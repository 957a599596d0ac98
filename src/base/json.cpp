#include "cloob/base/json.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

#include "cloob/base/text.h"

namespace cloob {
namespace {

// The end of the string that begins at `begin` with its quote.
std::size_t end_of_string(std::string_view text, std::size_t begin) {
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return text.size();
}

// The code unit of an escape \uXXXX at this place.
std::optional<unsigned> escaped_unit(std::string_view text, std::size_t at) {
  if (text.size() < at + 6 || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  const char *const first = text.data() + at + 2, *const last = first + 4;
  unsigned unit = 0;
  const auto [end, error] = std::from_chars(first, last, unit, /*base=*/16);
  return error == std::errc() && end == last ? std::optional(unit) : std::nullopt;
}

bool is_high_surrogate(unsigned unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low_surrogate(unsigned unit) { return unit >= 0xDC00 && unit < 0xE000; }

// Appends a string with its quotes.
void append_string(std::string& out, std::string_view string) {
  for (std::size_t i = 0; i < string.size();) {
    const auto unit = escaped_unit(string, i);
    if (!unit) {
      const std::size_t count = string[i] == '\\' ? 2 : 1;
      out += string.substr(i, count);
      i += count;
      continue;
    }
    const auto next = escaped_unit(string, i + 6);
    if (is_high_surrogate(*unit) && next && is_low_surrogate(*next)) {
      out += string.substr(i, 12);
      i += 12;
    } else {
      out += is_high_surrogate(*unit) || is_low_surrogate(*unit) ? "\\ufffd" : string.substr(i, 6);
      i += 6;
    }
  }
}

}  // namespace

void require_bounded_json(std::string_view text) {
  int depth = 0;
  std::int64_t values = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      i = end_of_string(text, i) - 1;
    } else if (text[i] == '[' || text[i] == '{') {
      if (++depth > kMaxJsonDepth)
        throw JsonError(fmt::format("is nested more than {} levels deep", kMaxJsonDepth));
      ++values;
    } else if (text[i] == ',') {
      ++values;
    } else if (text[i] == ']' || text[i] == '}') {
      --depth;
    }
    if (values > kMaxJsonValues)
      throw JsonError(fmt::format("has more than {} values", with_thousands(kMaxJsonValues)));
  }
}

std::string standard_json(std::string_view text) {
  constexpr std::array<std::string_view, 3> kNumbers = {"NaN", "Infinity", "-Infinity"};
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '"') {
      const std::size_t end = end_of_string(text, i);
      append_string(out, text.substr(i, end - i));
      i = end;
      continue;
    }
    std::size_t length = 0;
    for (const std::string_view number : kNumbers) {
      if (text.substr(i).starts_with(number)) length = number.size();
    }
    if (length > 0) {
      out += "null";
      i += length;
    } else {
      out += text[i++];
    }
  }
  return out;
}

std::int64_t json_integer(const nlohmann::json& value, std::string_view name, std::int64_t min,
                          std::int64_t max) {
  if (value.is_number_unsigned()) {  // a number above that of std::int64_t would become negative
    const auto number = value.get<std::uint64_t>();
    if (std::cmp_greater_equal(number, min) && std::cmp_less_equal(number, max))
      return static_cast<std::int64_t>(number);
  } else if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    if (number >= min && number <= max) return number;
  }
  constexpr std::size_t kMaxShown = 40;
  const std::string shown =
      value.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  throw JsonError(fmt::format("has {}{} for '{}': expected a whole number from {} to {}",
                              shown.substr(0, kMaxShown), shown.size() > kMaxShown ? "..." : "", name, min,
                              max));
}

}  // namespace cloob
