// Small string helpers for messages and parsers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cloob {

std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);
/// Strips ASCII whitespace from both ends.
std::string_view trim(std::string_view text);
/// ASCII letters in lower case, everything else unchanged.
std::string to_lower_ascii(std::string_view text);

/// Escapes control characters other than line breaks and tabs as "\\x1b", so that text from a file neither
/// cuts a message short nor controls the terminal.
std::string without_controls(std::string_view text);
/// 1234567 -> "1,234,567".
std::string with_thousands(std::int64_t number);
/// counted(1, "sample") -> "1 sample", counted(1200, "sample") -> "1,200 samples".
std::string counted(std::int64_t number, std::string_view singular);
/// 1536 -> "1.5 KiB".
std::string human_bytes(std::uint64_t bytes);
/// 3725 -> "1h 02m"; below a minute "12.3s".
std::string human_seconds(double seconds);

/// The shortest decimal text that parses back to exactly the same number (2e-4 is "0.0002").
std::string shortest(double number);

/// All of `text` as a number; nullopt when it is not one, has trailing characters or is out of range.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_double(std::string_view text);

/// The candidate closest to `word` by edit distance, if it is close enough to be worth suggesting.
std::optional<std::string> closest_match(std::string_view word, std::span<const std::string> candidates);
/// ", did you mean 'x'?" or an empty string.
std::string suggestion(std::string_view word, std::span<const std::string> candidates);

}  // namespace cloob
