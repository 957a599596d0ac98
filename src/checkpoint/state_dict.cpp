#include "checkpoint/state_dict.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string_view>
#include <tuple>

#include "checkpoint/printable.h"
#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

constexpr int kMaxDepth = 3;
constexpr std::size_t kMaxKeyBytes = 256;
constexpr auto kUsualKeys = std::to_array<std::string_view>(
    {"state_dict", "model_state_dict", "model", "module", "net", "network", "weights"});

struct Candidate {
  const PickleNode* dictionary;
  std::string key;
  std::size_t num_tensors;
  std::size_t rank;  // of its key; lower is preferred
};

std::size_t rank_of(std::string_view key) {
  const std::string_view last = key.substr(key.rfind('.') + 1);
  const auto found = std::ranges::find(kUsualKeys, last);
  const bool is_average = to_lower_ascii(key).find("ema") != std::string::npos;
  return static_cast<std::size_t>(found - kUsualKeys.begin()) + (is_average ? kUsualKeys.size() + 1 : 0);
}

// Every dictionary is visited once, because they can refer to each other.
void collect(const PickleNode& dictionary, const std::string& key, int depth,
             std::set<const PickleNode*>& visited, std::vector<Candidate>& candidates) {
  if (!visited.insert(&dictionary).second) return;
  std::size_t num_tensors = 0;
  for (const auto& [name, value] : dictionary.entries) {
    const PickleNode* const text = as_node(name, PickleNode::Kind::text);
    if (!text) continue;
    num_tensors += std::holds_alternative<const PickleTensor*>(value);
    const PickleNode* const inner = as_node(value, PickleNode::Kind::dictionary);
    if (inner && depth < kMaxDepth && text->text.size() <= kMaxKeyBytes)
      collect(*inner, key.empty() ? text->text : key + "." + text->text, depth + 1, visited, candidates);
  }
  if (num_tensors > 0) candidates.push_back({&dictionary, key, num_tensors, rank_of(key)});
}

std::string name_of(const Candidate& candidate) {
  return candidate.key.empty() ? "the file itself" : in_quotes(candidate.key);
}

}  // namespace

StateDict find_state_dict(const std::string& path, const PickleNode& root) {
  std::set<const PickleNode*> visited;
  std::vector<Candidate> candidates;
  collect(root, "", 0, visited, candidates);
  if (candidates.empty()) return {};
  const std::size_t most = std::ranges::max(candidates, {}, &Candidate::num_tensors).num_tensors;
  std::ranges::sort(candidates, {}, [&](const Candidate& candidate) {
    const bool is_small = 2 * candidate.num_tensors < most;
    return std::tuple(is_small, candidate.rank, most - candidate.num_tensors, candidate.key);
  });
  const Candidate& best = candidates.front();
  if (candidates.size() > 1 && candidates[1].rank == best.rank &&
      candidates[1].num_tensors == best.num_tensors) {
    throw_user_error("'{}' has {} tensors in {} and as many in {}: save one of them alone with PyTorch", path,
                     best.num_tensors, name_of(best), name_of(candidates[1]));
  }
  StateDict result{best.dictionary, best.key, {}};
  constexpr std::size_t kNamed = 3;  // the state of an optimizer may have one for each parameter
  for (std::size_t i = 1; i < std::min(candidates.size(), kNamed + 1); ++i)
    result.others.push_back(name_of(candidates[i]));
  if (candidates.size() > kNamed + 1)
    result.others.push_back(fmt::format("{} more", candidates.size() - 1 - kNamed));
  return result;
}

}  // namespace cloob
