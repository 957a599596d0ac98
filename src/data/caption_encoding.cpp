#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

#include "cloob/base/text.h"
#include "cloob/data/captions.h"

namespace cloob {
namespace {

bool is_hex_digit(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool is_alphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// The byte that "%xx" at this place stands for.
std::optional<char> encoded_byte(std::string_view text, std::size_t at) {
  if (text.size() < at + 3 || text[at] != '%' || !is_hex_digit(text[at + 1]) || !is_hex_digit(text[at + 2]))
    return std::nullopt;
  unsigned code = 0;
  std::from_chars(text.data() + at + 1, text.data() + at + 3, code, /*base=*/16);
  return static_cast<char>(code);
}

}  // namespace

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (const auto byte = encoded_byte(text, i)) {
      decoded += *byte;
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

bool looks_percent_encoded(std::string_view caption) {
  if (caption.find_first_of(" \t\n") != std::string_view::npos) return false;
  for (std::size_t i = 0; i < caption.size(); ++i) {
    if (encoded_byte(caption, i)) return true;
    const bool joins_words = caption[i] == '+' && i > 0 && i + 1 < caption.size() &&
                             is_alphanumeric(caption[i - 1]) && is_alphanumeric(caption[i + 1]);
    if (joins_words) return true;
  }
  return false;
}

void decode_captions(WeightedCaptions& captions, CaptionEncoding encoding) {
  if (encoding == CaptionEncoding::plain) return;
  WeightedCaptions decoded;
  for (std::size_t i = 0; i < captions.captions.size(); ++i) {
    const std::string text = percent_decoded(captions.captions[i]);
    if (trim(text).empty()) continue;
    decoded.captions.emplace_back(trim(text));
    if (!captions.weights.empty()) decoded.weights.push_back(captions.weights[i]);
  }
  captions = std::move(decoded);
}

}  // namespace cloob
