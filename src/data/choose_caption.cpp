#include "data/choose_caption.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "cloob/base/error.h"
#include "cloob/data/bad_samples.h"

namespace cloob {

std::size_t choose_caption(const RawSample& sample, RandomStream stream) {
  const std::vector<double>& weights = sample.caption_weights;
  if (weights.empty()) return stream.below(sample.captions.size());
  CLOOB_CHECK(weights.size() == sample.captions.size(), "{} weights for {} captions", weights.size(),
              sample.captions.size());
  double left = stream.uniform(0, std::accumulate(weights.begin(), weights.end(), 0.0));
  for (std::size_t i = 0; i + 1 < weights.size(); ++i) {
    if (left < weights[i]) return i;
    left -= weights[i];
  }
  return weights.size() - 1;
}

void throw_empty_after_cleaning(std::string_view caption) {
  constexpr std::size_t kMostShown = 40;
  // Such captions consist of what cannot be seen, so it is shown by its escapes.
  const std::string shown =
      nlohmann::json(caption.substr(0, kMostShown))
          .dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  throw BadSample(BadKind::empty_after_cleaning, fmt::format("nothing is left of the caption {}", shown));
}

}  // namespace cloob
