// Arbitrary bytes as JSON: as Python writes it, and as the counts beside shards.
#include "cloob/base/error.h"
#include "cloob/base/json.h"
#include "cloob/data/tar/shard_layout.h"
#include "data/tar/shard_counts.h"
#include "fuzz_support.h"

namespace cloob {
namespace {

using fuzz::require;
using Json = nlohmann::json;

int depth_of(const Json& json) {
  int deepest = 0;
  if (json.is_structured()) {
    for (const Json& item : json) deepest = std::max(deepest, depth_of(item));
  }
  return json.is_structured() ? 1 + deepest : 0;
}

void check_json(std::string_view text) {
  try {
    const Json json = parse_python_json(text);
    require(depth_of(json) <= kMaxJsonDepth, "the depth is limited");
    require(parse_json(json.dump()) == json, "JSON survives being written");
    require(parse_json(standard_json(json.dump())) == json, "what is standard stays as it is");
    const std::int64_t number = json_integer(json, "number", -1, 1000);
    require(number >= -1 && number <= 1000, "a number is within its limits");
  } catch (const JsonError&) {
  }
}

void check_counts(std::string_view text) {
  const auto is_possible = [](std::int64_t count) { return count >= 0 && count <= kMaxShardSamples; };
  try {
    require(is_possible(samples_in_stats_json(text)), "a count of samples is possible");
  } catch (const UserError&) {
  }
  try {
    for (const auto& [shard, count] : all_sizes_in_json(text))
      require(is_possible(count), "a count of samples is possible");
  } catch (const UserError&) {
  }
}

}  // namespace
}  // namespace cloob

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  cloob::check_json(text);
  cloob::check_counts(text);
  return 0;
}
