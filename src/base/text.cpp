#include "cloob/base/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

namespace cloob {
namespace {

constexpr std::string_view kWhitespace = " \t\n\v\f\r";

// Edit distance in which swapping two adjacent characters counts as one edit.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substitution});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string letters_and_digits(std::string_view word) {
  std::string kept = to_lower_ascii(word);
  std::erase_if(kept, [](char c) { return (c < 'a' || c > 'z') && (c < '0' || c > '9'); });
  return kept;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

}  // namespace

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string joined;
  for (const std::string& part : parts) {
    if (&part != parts.data()) joined += separator;
    joined += part;
  }
  return joined;
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kWhitespace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhitespace) - first + 1);
}

std::string to_lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string without_controls(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    const bool is_control = (code < 0x20 && c != '\n' && c != '\t') || code == 0x7f;
    if (is_control) shown += fmt::format("\\x{:02x}", code);
    if (!is_control) shown += c;
  }
  return shown;
}

std::string with_thousands(std::int64_t number) {
  std::string digits = fmt::format("{}", number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t place = digits.size(); place > first + 3;) {
    place -= 3;
    digits.insert(place, 1, ',');
  }
  return digits;
}

std::string counted(std::int64_t number, std::string_view singular) {
  return fmt::format("{} {}{}", with_thousands(number), singular, number == 1 ? "" : "s");
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double amount = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

std::string human_seconds(double seconds) {
  constexpr double kMax = 1e15;  // so that it is an integer that fits
  if (!(seconds >= 0 && seconds <= kMax)) return "?";
  if (seconds < 60) return fmt::format("{:.1f}s", seconds);
  const auto rounded = static_cast<std::int64_t>(seconds + 0.5);
  if (rounded < 3600) return fmt::format("{}m {:02}s", rounded / 60, rounded % 60);
  if (rounded < 86400) return fmt::format("{}h {:02}m", rounded / 3600, rounded / 60 % 60);
  return fmt::format("{}d {:02}h", rounded / 86400, rounded / 3600 % 24);
}

std::string shortest(double number) {
  std::array<char, 32> buffer;
  const double magnitude = std::abs(number);
  const bool plain = number == 0 || (magnitude >= 1e-5 && magnitude < 1e9);
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  std::string text(buffer.data(),
                   std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, format).ptr);
  // "5e-09" -> "5e-9"
  if (const std::size_t exponent = text.find('e');
      exponent != std::string::npos && text[exponent + 2] == '0') {
    text.erase(exponent + 2, 1);
  }
  return text;
}

std::optional<std::int64_t> parse_integer(std::string_view text) { return parse_number<std::int64_t>(text); }

std::optional<double> parse_double(std::string_view text) { return parse_number<double>(text); }

std::optional<std::string> closest_match(std::string_view word, std::span<const std::string> candidates) {
  constexpr std::size_t kMaxWord = 100;  // comparing takes quadratic time
  if (word.size() > kMaxWord) return std::nullopt;
  // Before words that differ in some letters: "InfoLOOB" is info_loob, and "amp_bf16" has the word bf16.
  const std::vector<std::string> words = split(to_lower_ascii(word), '_');
  for (const std::string& candidate : candidates) {
    if (letters_and_digits(candidate) == letters_and_digits(word)) return candidate;
  }
  for (const std::string& candidate : candidates) {
    if (words.size() > 1 && std::ranges::find(words, candidate) != words.end()) return candidate;
  }
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string suggestion(std::string_view word, std::span<const std::string> candidates) {
  const auto match = closest_match(word, candidates);
  return match ? fmt::format(", did you mean '{}'?", *match) : std::string();
}

}  // namespace cloob
