#include "cloob/memory/memory.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/random.h"
#include "cloob/base/shell_word.h"
#include "cloob/base/text.h"
#include "cloob/base/tiles.h"

namespace cloob {
namespace {

Side side_of(Modality modality) { return modality == Modality::image ? Side::image : Side::text; }

const SearchIndex& require_pairs(const SearchIndex& index) {
  const std::string folder = index.folder().string();
  if (!index.has(Side::image) || !index.has(Side::text)) {
    throw_user_error(
        "'{}' has features of {} only, but a memory needs both: make it with 'cloob memory build'", folder,
        index.has(Side::image) ? "images" : "texts");
  }
  if (!index.header().model) {
    throw_user_error(
        "'{}' does not say which model its features are of: make it with 'cloob memory build', which names the checkpoint",
        folder);
  }
  if (index.alive() == 0)
    throw_user_error("all entries of '{}' were removed, so that nothing can be retrieved from it", folder);
  return index;
}

std::uint64_t add_sample(const FeatureRows& features, std::uint64_t hash) {
  constexpr std::int64_t kSampled = 256;
  const std::int64_t rows = std::min(kSampled, features.count);
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::byte* const row = features.row(i * features.count / rows);
    hash =
        hash_text({reinterpret_cast<const char*>(row), static_cast<std::size_t>(features.row_bytes())}, hash);
  }
  return hash;
}

// Rows of a result, as many as `columns`, and -1 where there are fewer.
at::Tensor to_rows(std::span<const Neighbor> neighbors, std::int64_t columns) {
  const at::Tensor rows_W = at::full({columns}, -1, at::kLong);
  auto* const rows = rows_W.mutable_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < neighbors.size(); ++i) rows[i] = neighbors[i].row;
  return rows_W;
}

// Which of the retrieved pairs a query must not find.
class LeftOut {
 public:
  LeftOut(const Memory& memory, const LeftOutPairs& pairs) : memory_(memory), pairs_(pairs) {
    for (const std::string& key : pairs.keys) key_hashes_.push_back(SearchIndex::hash_of_key(key));
  }

  // The first k rows of one query, in their order, without those that are left out. `neighbors` may be many: features of a block
  // of them are held at a time.
  std::vector<std::int64_t> kept(std::int64_t query, const std::vector<Neighbor>& neighbors,
                                 std::int64_t k) const {
    constexpr std::size_t kBlock = 1024;
    std::vector<std::int64_t> kept;
    for (std::size_t first = 0; first < neighbors.size() && std::ssize(kept) < k; first += kBlock) {
      const auto block = std::span(neighbors).subspan(first, std::min(kBlock, neighbors.size() - first));
      const at::Tensor rows_W = to_rows(block, std::ssize(block));
      const at::Tensor is_similar_W =
          is_similar(Modality::image, pairs_.image_QD[query], rows_W)
              .logical_or_(is_similar(Modality::text, pairs_.text_QD[query], rows_W));
      const bool* const similar = is_similar_W.const_data_ptr<bool>();
      for (std::size_t i = 0; i < block.size(); ++i) {
        const bool is_same = !key_hashes_.empty() && memory_.index().key_hash(block[i].row) ==
                                                         key_hashes_[static_cast<std::size_t>(query)];
        if (!similar[i] && !is_same) kept.push_back(block[i].row);
      }
    }
    kept.resize(static_cast<std::size_t>(std::min(k, std::ssize(kept))));
    return kept;
  }

 private:
  at::Tensor is_similar(Modality modality, const at::Tensor& own_D, const at::Tensor& rows_W) const {
    // The rows are rounded to 11 bits, and so is the inner product of a pair with itself.
    constexpr double kRounding = 1e-3;
    return memory_.features(modality, rows_W).matmul(own_D.to(at::kFloat)).ge(pairs_.similarity - kRounding);
  }

  const Memory& memory_;
  const LeftOutPairs& pairs_;
  std::vector<std::uint64_t> key_hashes_;
};

// So that what they find takes no more than 256 MiB, or what one of them does.
std::int64_t queries_at_once(std::int64_t results_of_each) {
  constexpr std::int64_t kMostBytes = 256 << 20;
  return std::max<std::int64_t>(1,
                                kMostBytes / (results_of_each * static_cast<std::int64_t>(sizeof(Neighbor))));
}

}  // namespace

Memory::Memory(const std::filesystem::path& folder) : index_(folder) { require_pairs(index_); }

std::string Memory::describe() const { return fmt::format("'{}'", index_.folder().string()); }

// The description of the index, which entries it has, and some of their features: the same entries may have been encoded with another
// precision.
std::string Memory::identity() const {
  std::call_once(is_identified_, [&] {
    std::uint64_t hash = hash_text(index_.description(), 0);
    for (std::int64_t row = 0; row < size(); ++row) {
      hash = mix_bits({hash, index_.key_hash(row), index_.content_hash(row),
                       static_cast<std::uint64_t>(index_.is_removed(row))});
    }
    for (const auto& [side, unused] : index_.header().sides) hash = add_sample(index_.features(side), hash);
    identity_ = fmt::format("{:016x}", hash);
  });
  return identity_;
}

at::Tensor Memory::nearest(Modality searched, const at::Tensor& query_QD, std::int64_t k,
                           const LeftOutPairs* left_out) const {
  const Side side = side_of(searched);
  const std::int64_t num_queries = query_QD.size(0);
  const at::Tensor rows_QK = at::full({num_queries, k}, -1, at::kLong);
  if (num_queries == 0) return rows_QK;
  if (left_out == nullptr) {
    const auto results = index_.search(PaddedQueries(query_QD), side, k);
    for (std::int64_t query = 0; query < num_queries; ++query)
      rows_QK[query].copy_(to_rows(results[static_cast<std::size_t>(query)], k));
    return rows_QK;
  }
  // More are asked for than are needed, and again for those queries that lost too many.
  const LeftOut excluded(*this, *left_out);
  const auto all = at::arange(num_queries, at::kLong);
  std::vector<std::int64_t> open(all.const_data_ptr<std::int64_t>(),
                                 all.const_data_ptr<std::int64_t>() + num_queries);
  constexpr std::int64_t kSpare = 2, kMore = 4;
  for (std::int64_t wanted = kSpare * k; !open.empty(); wanted *= kMore) {
    wanted = std::min(wanted, size());
    std::vector<std::int64_t> still_open;
    for_each_piece(std::ssize(open), queries_at_once(wanted), [&](std::int64_t first, std::int64_t count) {
      const std::span queries =
          std::span(open).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
      const at::Tensor query_nD =
          query_QD.index_select(0, at::tensor(c10::ArrayRef(queries.data(), queries.size()), at::kLong));
      const auto results = index_.search(PaddedQueries(query_nD), side, wanted);
      for (std::size_t i = 0; i < queries.size(); ++i) {
        const std::vector<std::int64_t> kept = excluded.kept(queries[i], results[i], k);
        if (std::ssize(kept) < k && std::ssize(results[i]) == wanted && wanted < size()) {
          still_open.push_back(queries[i]);
        } else if (!kept.empty()) {
          rows_QK[queries[i]].narrow(0, 0, std::ssize(kept)).copy_(at::tensor(kept, at::kLong));
        }
      }
    });
    open = std::move(still_open);
  }
  return rows_QK;
}

// Else the model would be blamed, whose features are mixed with these.
void Memory::require_finite(const at::Tensor& features_RD, const at::Tensor& rows_R,
                            Modality modality) const {
  if (features_RD.numel() == 0 || std::isfinite(features_RD.sum().item<float>())) return;
  const at::Tensor bad_n = features_RD.isfinite().all(1).logical_not().nonzero().squeeze(1);
  const auto row = rows_R[bad_n[0].item<std::int64_t>()].item<std::int64_t>();
  throw_user_error(
      "{} is damaged: entry {} has features of its {} that are not finite: remove it with 'cloob memory remove {} {}'",
      describe(), row, enum_name(side_of(modality)), shell_word(index_.folder().string()),
      shell_word(index_.entry(row).key));
}

at::Tensor Memory::features(Modality modality, const at::Tensor& rows) const {
  const FeatureRows all = index_.features(side_of(modality));
  // Only read: the pages are mapped so.
  const at::Tensor all_ND = at::from_blob(const_cast<std::byte*>(all.data), {all.count, all.dims},
                                          all.type == FeatureType::fp16 ? at::kHalf : at::kFloat);
  const at::Tensor flat_R = rows.reshape({-1});
  std::vector<std::int64_t> shape = rows.sizes().vec();
  shape.push_back(all.dims);
  at::Tensor features_RD = all_ND.index_select(0, flat_R.clamp_min(0)).to(at::kFloat);
  features_RD.masked_fill_(flat_R.lt(0).unsqueeze(1), 0);
  require_finite(features_RD, flat_R, modality);
  return features_RD.reshape(shape);
}

}  // namespace cloob
