#include "eval/unusable.h"

#include <string>
#include <utility>

#include "cloob/base/broadcast_text.h"
#include "cloob/base/json.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

std::string to_text(const BadSampleCounts& counts) {
  Json json = Json::array();
  for (const BadKind kind : counts.kinds())
    json.push_back({static_cast<int>(kind), counts.count(kind), counts.examples(kind)});
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace

BadSampleCounts sum_over_ranks(const BadSampleCounts& own, const Collectives& collectives) {
  if (collectives.world_size() == 1) return own;
  BadSampleCounts sum;
  for (const std::string& text : gather_texts(collectives, to_text(own))) {
    for (const Json& entry : parse_json(text)) {
      sum.add_all(static_cast<BadKind>(entry[0].get<int>()),
                  {.count = entry[1].get<std::int64_t>(), .examples = entry[2]});
    }
  }
  return sum;
}

}  // namespace cloob
