// What a memory changed in the answer to a search.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloob/memory/memory.h"
#include "cloob/model/refinement.h"
#include "cloob/search/search_index.h"

namespace cloob {

/// A query that was refined with a memory.
struct RefinedQuery {
  at::Tensor tower_1D;  ///< as the towers see it
  Refinement refinement;
  std::shared_ptr<const Memory> memory;
};

/// A pair that the query retrieved.
struct RetrievedPair {
  std::int64_t row = 0;  ///< of the memory
  float similarity = 0;
  std::vector<std::int64_t> brought;  ///< rows of results that would be none without it
  bool changed_order = false;         ///< without it the same results would come in another order
};

struct MemoryEffect {
  SearchAnswer without_memory;       ///< with the features of the towers
  std::vector<RetrievedPair> pairs;  ///< the most similar first
};

/// Searches once more with the features of the towers, and once for each retrieved pair, without it. `answer` is that of the
/// refined query with the same `k` and `options`.
MemoryEffect effect_of_memory(const SearchIndex& index, const RefinedQuery& query, const SearchAnswer& answer,
                              Side side, std::int64_t k, const SearchOptions& options);

/// "brought 'a.jpg'", "changed the order", "changed nothing".
std::string describe_effect(const SearchIndex& index, const RetrievedPair& pair);

/// The place, from 1, that a result has in another answer; an entry with the same content counts as the same.
std::optional<std::int64_t> rank_in(const SearchIndex& index, const SearchAnswer& answer, std::int64_t row);

}  // namespace cloob
