#include "search/inverted_lists.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "cloob/base/collectives.h"
#include "cloob/base/error.h"
#include "cloob/base/tiles.h"
#include "cloob/cluster/kmeans.h"
#include "cloob/cluster/nearest.h"

namespace cloob {

namespace fs = std::filesystem;

fs::path beside(const fs::path& prefix, const char* suffix) { return prefix.string() + suffix; }

void poll(const StopRequested& stop_requested) {
  if (stop_requested && stop_requested()) throw IndexingStopped();
}

std::int64_t sample_size(std::int64_t count, std::int64_t lists) {
  constexpr std::int64_t kPerList = 64, kMost = std::int64_t{1} << 17;
  return std::min(count, std::max(lists, std::min(kPerList * lists, kMost)));
}

at::Tensor find_centroids(const at::Tensor& sample_ND, std::int64_t lists,
                          const StopRequested& stop_requested) {
  const KMeansResult clusters = kmeans(sample_ND,
                                       {.clusters = lists,
                                        .iterations = 10,
                                        .spherical = true,
                                        .between_iterations = [&] { poll(stop_requested); }},
                                       SingleProcess());
  return clusters.centroids_KD.to(at::kHalf).to(at::kFloat);
}

at::Tensor lists_of(const at::Tensor& rows_ND, const at::Tensor& centroids_LD) {
  return nearest_centroids(rows_ND, centroids_LD, at::zeros({centroids_LD.size(0)}, at::kFloat)).labels_N;
}

std::vector<std::int32_t> assign_lists(
    const RowReader& rows, const at::Tensor& centroids_LD, const StopRequested& stop_requested,
    const std::function<void(const at::Tensor&, const at::Tensor&)>& visit) {
  constexpr std::int64_t kBlock = 32768;
  std::vector<std::int32_t> lists;
  lists.reserve(static_cast<std::size_t>(rows.count()));
  for_each_piece(rows.count(), kBlock, [&](std::int64_t first, std::int64_t count) {
    poll(stop_requested);
    const at::Tensor rows_ND = rows.read(first, count);
    const at::Tensor lists_N = lists_of(rows_ND, centroids_LD);
    const auto* const numbers = lists_N.const_data_ptr<std::int64_t>();
    std::transform(numbers, numbers + count, std::back_inserter(lists),
                   [](std::int64_t list) { return static_cast<std::int32_t>(list); });
    if (visit) visit(rows_ND, lists_N);
  });
  return lists;
}

ListOrder order_by_list(const std::vector<std::int32_t>& lists, std::int64_t num_lists) {
  ListOrder order{.offsets = std::vector<std::int64_t>(static_cast<std::size_t>(num_lists) + 1, 0),
                  .rows = std::vector<std::int64_t>(lists.size())};
  for (const std::int32_t list : lists) ++order.offsets[static_cast<std::size_t>(list) + 1];
  for (std::size_t i = 1; i < order.offsets.size(); ++i) order.offsets[i] += order.offsets[i - 1];
  std::vector<std::int64_t> next(order.offsets.begin(), order.offsets.end() - 1);
  for (std::size_t row = 0; row < lists.size(); ++row) {
    const std::int64_t place = next[static_cast<std::size_t>(lists[row])]++;
    order.rows[static_cast<std::size_t>(place)] = static_cast<std::int64_t>(row);
  }
  return order;
}

void write_lists(const fs::path& prefix, const at::Tensor& centroids_LD, const ListOrder& order) {
  write_numbers<std::byte>(beside(prefix, ".centroids"), to_bytes(centroids_LD, FeatureType::fp16));
  write_numbers<std::int64_t>(beside(prefix, ".offsets"), order.offsets);
  write_numbers<std::int64_t>(beside(prefix, ".rows"), order.rows);
}

InvertedLists::InvertedLists(const fs::path& prefix, std::int64_t lists, std::int64_t count,
                             std::int64_t dims)
    : name_(prefix.string()),
      lists_(lists),
      count_(count),
      dims_(dims),
      centroids_(beside(prefix, ".centroids")),
      offsets_(beside(prefix, ".offsets")),
      rows_(beside(prefix, ".rows")) {
  const auto offsets = offsets_.as<std::int64_t>();
  if (std::ssize(offsets) == lists + 1 && offsets.front() == 0 && offsets.back() == count &&
      std::ranges::is_sorted(offsets))
    return;
  throw_user_error("'{}.offsets' is damaged: the lists do not cover {} entries: index again", name_, count);
}

void InvertedLists::visit_nearest(const PaddedQueries& queries, std::int64_t query, std::int64_t probes,
                                  std::int64_t least, const Visit& visit) const {
  std::vector<float> scores(static_cast<std::size_t>(lists_));
  inner_products(queries, query, 1, {centroids_.bytes().data(), lists_, dims_, FeatureType::fp16}, scores);
  const auto offsets = offsets_.as<std::int64_t>();
  std::int64_t seen = 0, visited = 0;
  // Nearly always the nearest are enough, and sorting all lists would take longer than to look into some.
  for (const std::int64_t wanted : {std::min(probes, lists_), lists_}) {
    BestNeighbors nearest(wanted);
    for (std::int64_t list = 0; list < lists_; ++list)
      nearest.add({list, scores[static_cast<std::size_t>(list)]});
    const std::vector<Neighbor> sorted = nearest.take_sorted();
    for (; visited < std::ssize(sorted); ++visited) {
      if (visited >= probes && seen >= least) return;
      const Neighbor& list = sorted[static_cast<std::size_t>(visited)];
      const std::int64_t begin = offsets[static_cast<std::size_t>(list.row)];
      const std::int64_t size = offsets[static_cast<std::size_t>(list.row) + 1] - begin;
      seen += visit(begin, size, list.score);
    }
    if (seen >= least) return;
  }
}

std::int64_t InvertedLists::row(std::int64_t place) const {
  const std::int64_t row = rows_.as<std::int64_t>()[static_cast<std::size_t>(place)];
  if (row < 0 || row >= count_)
    throw_user_error("'{}.rows' is damaged: it names entry {} of {}: index again", name_, row, count_);
  return row;
}

}  // namespace cloob
