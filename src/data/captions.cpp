#include "cloob/data/captions.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/json.h"
#include "cloob/base/text.h"
#include "cloob/base/utf8.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/limits.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view usable_part(std::string_view caption) {
  caption = trim(caption);
  require_at_most(kMaxCaptionBytes, caption.size(), "a caption");
  return caption;
}

struct Alternative {
  std::string caption;
  std::optional<double> weight;
};

void add_alternative(std::vector<Alternative>& alternatives, std::string_view caption,
                     std::optional<double> weight) {
  caption = usable_part(caption);
  if (!caption.empty()) alternatives.push_back({std::string(caption), weight});
}

double weight_from(const Json& json, const std::string& field) {
  constexpr double kMaxWeight = 1e12;  // so that no sum of weights overflows
  constexpr std::size_t kMaxShown = 40;
  if (json.is_number()) {
    const auto weight = json.get<double>();
    if (weight > 0 && weight <= kMaxWeight) return weight;
  }
  throw BadSample(
      BadKind::no_caption,
      fmt::format("a weight in '{}' in the .json member is {}: it must be above 0 and at most 1e12", field,
                  json.dump(-1, ' ', /*ensure_ascii=*/true).substr(0, kMaxShown)));
}

// One element of a list of captions.
void add_item(std::vector<Alternative>& alternatives, const Json& item, const std::string& field) {
  if (item.is_null()) return;
  if (item.is_string()) return add_alternative(alternatives, item.get_ref<const std::string&>(), {});
  // MetaCLIP's [source, text].
  if (item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string())
    return add_alternative(alternatives, item[1].get_ref<const std::string&>(), {});
  const auto caption = item.is_object() ? item.find("caption") : item.end();
  if (caption == item.end() || !caption->is_string()) {
    throw BadSample(BadKind::no_caption,
                    fmt::format("'{}' in the .json member is neither a string nor a list of strings, of "
                                "{{\"caption\": text, \"weight\": number}} or of [source, text]",
                                field));
  }
  const auto weight = item.find("weight");
  const double number = weight == item.end() ? 1 : weight_from(*weight, field);
  add_alternative(alternatives, caption->get_ref<const std::string&>(), number);
}

// Heaviest first, if there are weights.
WeightedCaptions sorted_by_weight(std::vector<Alternative> alternatives) {
  const bool has_weights =
      std::ranges::any_of(alternatives, [](const Alternative& item) { return item.weight.has_value(); });
  const auto weight_of = [](const Alternative& item) { return item.weight.value_or(1); };
  if (has_weights) std::ranges::stable_sort(alternatives, std::ranges::greater(), weight_of);
  WeightedCaptions result;
  for (Alternative& item : alternatives) {
    if (has_weights) result.weights.push_back(weight_of(item));
    result.captions.push_back(std::move(item.caption));
  }
  return result;
}

}  // namespace

void add_caption(std::vector<std::string>& captions, std::string_view caption) {
  caption = usable_part(caption);
  if (!caption.empty()) captions.emplace_back(caption);
}

std::vector<std::string> captions_in_text(std::span<const std::byte> text, bool one_per_line) {
  require_at_most(kMaxCaptionsBytes, text.size(), "the text with the captions");
  std::vector<std::string> captions;
  if (!one_per_line) {
    add_caption(captions, as_text(text));
    return captions;
  }
  for (const std::string& line : split(as_text(text), '\n')) add_caption(captions, line);
  return captions;
}

WeightedCaptions captions_in_json(std::span<const std::byte> text, const std::string& field) {
  require_at_most(kMaxCaptionsBytes, text.size(), "the .json member");
  const std::string_view content = as_text(text);
  Json json;
  try {
    json = parse_python_json(content);
  } catch (const JsonError& error) {
    throw BadSample(BadKind::no_caption, fmt::format("the .json member {}", error.what()));
  }
  if (!json.is_object()) throw BadSample(BadKind::no_caption, "the .json member is not a JSON object");
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
  return sorted_by_weight(std::move(alternatives));
}

std::size_t choose_caption(const RawSample& sample, RandomStream stream) {
  const std::vector<double>& weights = sample.caption_weights;
  if (weights.empty()) return stream.below(sample.captions.size());
  CLOOB_CHECK(weights.size() == sample.captions.size(), "{} weights for {} captions", weights.size(),
              sample.captions.size());
  double remaining = stream.uniform(0, std::accumulate(weights.begin(), weights.end(), 0.0));
  for (std::size_t i = 0; i + 1 < weights.size(); ++i) {
    if (remaining < weights[i]) return i;
    remaining -= weights[i];
  }
  return weights.size() - 1;
}

void require_utf8(std::string_view caption) {
  const std::size_t valid = valid_utf8_length(caption);
  if (valid == caption.size()) return;
  throw BadSample(BadKind::caption_not_utf8,
                  fmt::format("byte {} of the caption, 0x{:02x}, is not UTF-8", valid + 1,
                              static_cast<unsigned char>(caption[valid])));
}

void throw_empty_after_cleaning(std::string_view caption) {
  constexpr std::size_t kMaxShown = 40;
  // Such captions consist of invisible characters, so they are shown escaped.
  const std::string shown =
      nlohmann::json(caption.substr(0, kMaxShown))
          .dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  throw BadSample(BadKind::empty_after_cleaning, fmt::format("nothing is left of the caption {}", shown));
}

}  // namespace cloob
