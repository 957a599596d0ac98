// Arbitrary bytes as the .json or .txt member of a sample.
#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/captions.h"
#include "fuzz_support.h"

namespace cloob {
namespace {

using fuzz::require;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

void check_trimmed(const std::vector<std::string>& captions) {
  for (const std::string& caption : captions) {
    require(!caption.empty(), "a caption is not empty");
    require(trim(caption) == caption, "a caption has no white space around it");
  }
}

void check_json(std::span<const std::byte> bytes, const std::string& field) {
  try {
    const auto [captions, weights] = captions_in_json(bytes, field);
    check_trimmed(captions);
    require(weights.empty() || weights.size() == captions.size(), "either all captions have weights or none");
    require(std::ranges::is_sorted(weights, std::greater()), "the heaviest caption comes first");
    require(weights.empty() || weights.back() > 0, "weights are above 0");
    nlohmann::json items = captions;
    for (std::size_t i = 0; i < weights.size(); ++i)
      items[i] = {{"caption", captions[i]}, {"weight", weights[i]}};
    const std::string written = nlohmann::json{{field, items}}.dump();  // throws if it is not UTF-8
    const WeightedCaptions again = captions_in_json(bytes_of(written), field);
    require(again.captions == captions && again.weights == weights, "captions survive being written as JSON");
  } catch (const BadSample& bad) {
    require(bad.kind() == BadKind::no_caption, "a .json member without captions counts as no caption");
  }
}

void check_text(std::span<const std::byte> bytes) {
  const std::vector<std::string> whole = captions_in_text(bytes, /*one_per_line=*/false);
  check_trimmed(whole);
  require(whole.size() <= 1, "a whole text is at most one caption");
  const std::vector<std::string> lines = captions_in_text(bytes, /*one_per_line=*/true);
  check_trimmed(lines);
  require(lines.empty() == whole.empty(), "a text has captions in both modes or in none");
  const std::string again = join(lines, "\n");
  require(captions_in_text(bytes_of(again), /*one_per_line=*/true) == lines,
          "captions survive being written line by line");
}

}  // namespace
}  // namespace cloob

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = cloob::fuzz::as_bytes(data, size);
  for (const char* field : {"caption", "captions", ""}) cloob::check_json(bytes, field);
  cloob::check_text(bytes);
  return 0;
}
