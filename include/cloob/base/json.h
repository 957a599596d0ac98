// Reading JSON. All JSON from files is read here, so that its depth and the memory that it takes are limited in one
// place; only the header of safetensors has a parser with lower limits of its own.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cloob {

/// The text is not JSON, is nested too deeply or has too many values. The message completes a sentence about it: "is not JSON (byte
/// 17)".
struct JsonError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Deeper values are not read: parsing them, and even destroying them, recurses.
inline constexpr int kMaxJsonDepth = 64;

/// Values take up to a hundred bytes each, and only two or three in the file.
inline constexpr std::int64_t kMaxJsonValues = 4'000'000;

/// Throws JsonError if brackets are nested deeper than kMaxJsonDepth or there are more than kMaxJsonValues. Allocates
/// nothing.
void require_bounded_json(std::string_view text);

/// Rewrites what Python's json module writes and reads although JSON does not have it: NaN, Infinity and -Infinity
/// become null, and escapes of lone surrogates become U+FFFD.
std::string standard_json(std::string_view text);

/// Parses a text. Throws JsonError.
template <class Json = nlohmann::json>
Json parse_json(std::string_view text) {
  require_bounded_json(text);
  try {
    return Json::parse(text);
  } catch (const typename Json::parse_error& error) {
    throw JsonError(fmt::format("is not JSON (byte {})", error.byte));
  } catch (const typename Json::exception&) {
    throw JsonError("has a number that is out of range");
  }
}

/// The same for text that Python may have written (standard_json).
template <class Json = nlohmann::json>
Json parse_python_json(std::string_view text) {
  try {
    return parse_json<Json>(text);
  } catch (const JsonError&) {
    const std::string standard = standard_json(text);
    if (standard == text) throw;
    return parse_json<Json>(standard);
  }
}

/// The whole number stored under a name. Throws JsonError, which says the limits, for anything else: also for
/// numbers that do not fit, which conversions of the JSON library change without a word.
std::int64_t json_integer(const nlohmann::json& value, std::string_view name, std::int64_t min,
                          std::int64_t max);

}  // namespace cloob
