#include "data/captions.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"

namespace cloob {
namespace {

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void add_caption(std::vector<std::string>& captions, std::string_view caption) {
  caption = trim(caption);
  if (!caption.empty()) captions.emplace_back(caption);
}

std::vector<std::string> captions_in_text(std::span<const std::byte> text, bool one_per_line) {
  std::vector<std::string> captions;
  if (!one_per_line) {
    add_caption(captions, as_text(text));
    return captions;
  }
  for (const std::string& line : split(as_text(text), '\n')) add_caption(captions, line);
  return captions;
}

std::vector<std::string> captions_in_json(std::span<const std::byte> text, const std::string& field) {
  const std::string_view content = as_text(text);
  const auto json =
      nlohmann::json::parse(content.begin(), content.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw BadSample(BadKind::no_caption, "the .json member is no JSON object");
  const auto found = json.find(field);
  if (found == json.end()) {
    throw BadSample(BadKind::no_caption, fmt::format("the .json member has no '{}'", field));
  }
  std::vector<std::string> captions;
  for (const auto& item : found->is_array() ? *found : nlohmann::json::array({*found})) {
    if (item.is_null()) continue;
    if (!item.is_string()) {
      throw BadSample(BadKind::no_caption,
                      fmt::format("'{}' in the .json member is no text and no list of texts", field));
    }
    add_caption(captions, item.get_ref<const std::string&>());
  }
  return captions;
}

}  // namespace cloob
