#include "data/captions.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Alternative {
  std::string caption;
  std::optional<double> weight;
};

void add_alternative(std::vector<Alternative>& alternatives, std::string_view caption,
                     std::optional<double> weight) {
  caption = trim(caption);
  if (!caption.empty()) alternatives.push_back({std::string(caption), weight});
}

double weight_from(const Json& json, const std::string& field) {
  constexpr double kHeaviest = 1e12;  // so that no sum of weights overflows
  constexpr std::size_t kMostShown = 40;
  if (json.is_number()) {
    const auto weight = json.get<double>();
    if (weight > 0 && weight <= kHeaviest) return weight;
  }
  throw BadSample(BadKind::no_caption,
                  fmt::format("a weight in '{}' in the .json member is {}: it has to be a number above 0",
                              field, json.dump(-1, ' ', /*ensure_ascii=*/true).substr(0, kMostShown)));
}

// One element of a list of captions.
void add_item(std::vector<Alternative>& alternatives, const Json& item, const std::string& field) {
  if (item.is_null()) return;
  if (item.is_string()) return add_alternative(alternatives, item.get_ref<const std::string&>(), {});
  const auto caption = item.is_object() ? item.find("caption") : item.end();
  if (caption == item.end() || !caption->is_string()) {
    throw BadSample(BadKind::no_caption,
                    fmt::format("'{}' in the .json member is no text and no list of texts or of "
                                "{{\"caption\": text, \"weight\": number}}",
                                field));
  }
  const auto weight = item.find("weight");
  const double number = weight == item.end() ? 1 : weight_from(*weight, field);
  add_alternative(alternatives, caption->get_ref<const std::string&>(), number);
}

WeightedCaptions in_order(std::vector<Alternative> alternatives) {
  const bool has_weights =
      std::ranges::any_of(alternatives, [](const Alternative& one) { return one.weight.has_value(); });
  const auto weight_of = [](const Alternative& one) { return one.weight.value_or(1); };
  if (has_weights) std::ranges::stable_sort(alternatives, std::ranges::greater(), weight_of);
  WeightedCaptions result;
  for (Alternative& one : alternatives) {
    if (has_weights) result.weights.push_back(weight_of(one));
    result.captions.push_back(std::move(one.caption));
  }
  return result;
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

WeightedCaptions captions_in_json(std::span<const std::byte> text, const std::string& field) {
  const std::string_view content = as_text(text);
  const auto json = Json::parse(content.begin(), content.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw BadSample(BadKind::no_caption, "the .json member is no JSON object");
  const auto found = json.find(field);
  if (found == json.end()) {
    throw BadSample(BadKind::no_caption, fmt::format("the .json member has no '{}'", field));
  }
  std::vector<Alternative> alternatives;
  if (found->is_object()) {
    for (const auto& [caption, weight] : found->items()) {
      add_alternative(alternatives, caption, weight_from(weight, field));
    }
  } else {
    for (const Json& item : found->is_array() ? *found : Json::array({*found})) {
      add_item(alternatives, item, field);
    }
  }
  return in_order(std::move(alternatives));
}

}  // namespace cloob
