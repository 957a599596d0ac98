#include "cli/memory_effect.h"

#include <algorithm>

#include "cloob/base/text.h"

namespace cloob {

std::optional<std::int64_t> rank_in(const SearchIndex& index, const SearchAnswer& answer, std::int64_t row) {
  const std::uint64_t content = index.content_hash(row);
  const auto place = std::ranges::find_if(
      answer.results, [&](const SearchResult& result) { return index.content_hash(result.row) == content; });
  if (place == answer.results.end()) return std::nullopt;
  return place - answer.results.begin() + 1;
}

std::string describe_effect(const SearchIndex& index, const RetrievedPair& pair) {
  if (pair.brought.empty()) return pair.changed_order ? "changed the order" : "changed nothing";
  std::vector<std::string> keys;
  for (const std::int64_t row : pair.brought) keys.push_back("'" + index.entry(row).key + "'");
  return "brought " + join(keys, ", ");
}

MemoryEffect effect_of_memory(const SearchIndex& index, const RefinedQuery& query, const SearchAnswer& answer,
                              Side side, std::int64_t k, const SearchOptions& options) {
  const auto search = [&](const at::Tensor& features_1D) {
    return search_distinct(index, PaddedQueries(features_1D), side, k, std::nullopt, options);
  };
  const at::Tensor without_KD = query.refinement.without_KD.to(at::kCPU, at::kFloat);
  const at::Tensor similarity_K = query.refinement.similarity_K.to(at::kFloat).contiguous();
  MemoryEffect effect{.without_memory = search(query.tower_1D), .pairs = {}};
  for (std::size_t place = 0; place < query.refinement.rows.size(); ++place) {
    RetrievedPair pair{.row = query.refinement.rows[place],
                       .similarity = similarity_K.const_data_ptr<float>()[place],
                       .brought = {}};
    const SearchAnswer without = search(without_KD.narrow(0, static_cast<std::int64_t>(place), 1));
    for (std::size_t i = 0; i < answer.results.size(); ++i) {
      const std::int64_t row = answer.results[i].row;
      const auto rank = rank_in(index, without, row);
      if (!rank) pair.brought.push_back(row);
      if (rank && *rank != static_cast<std::int64_t>(i) + 1) pair.changed_order = true;
    }
    effect.pairs.push_back(std::move(pair));
  }
  return effect;
}

}  // namespace cloob
