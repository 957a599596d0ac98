#include "search/ivf.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <span>

#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/tiles.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

// The features in the order of the lists.
void write_features(const fs::path& path, const FeatureRows& rows, const std::vector<std::int64_t>& order,
                    const StopRequested& stop_requested) {
  constexpr std::int64_t kBlockRows = 4096;
  OutputFile features(path);
  const std::int64_t row_bytes = rows.row_bytes();
  std::vector<std::byte> block(static_cast<std::size_t>(kBlockRows * row_bytes));
  for_each_piece(rows.count, kBlockRows, [&](std::int64_t first, std::int64_t count) {
    poll(stop_requested);
    for (std::int64_t i = 0; i < count; ++i)
      std::copy_n(rows.row(order[static_cast<std::size_t>(first + i)]), row_bytes,
                  block.data() + i * row_bytes);
    features.write(std::span(block).first(static_cast<std::size_t>(count * row_bytes)));
  });
  features.finish();
}

}  // namespace

IvfShape write_ivf(const fs::path& prefix, const RowReader& reader, const FeatureRows& rows,
                   const IndexLayout& layout, const StopRequested& stop_requested) {
  const std::int64_t lists = num_lists(layout, rows.count);
  log_info("search", "{}: k-means for {} lists", prefix.filename().string(), lists);
  begin_stage(layout, "centroids");
  const at::Tensor centroids_LD =
      find_centroids(reader.sample(sample_size(rows.count, lists)), lists, stop_requested);
  begin_stage(layout, "assignment");
  const ListOrder order = order_by_list(assign_lists(reader, centroids_LD, stop_requested), lists);
  begin_stage(layout, "lists");
  write_lists(prefix, centroids_LD, order);
  write_features(beside(prefix, ".features"), rows, order.rows, stop_requested);
  return {lists, default_probes(IndexKind::ivf, lists)};
}

Ivf::Ivf(const fs::path& prefix, const IvfShape& shape, const FeatureRows& rows)
    : lists_(prefix, shape.lists, rows.count, rows.dims),
      mapped_(beside(prefix, ".features")),
      features_{mapped_.bytes().data(), rows.count, rows.dims, rows.type} {}

std::vector<Neighbor> Ivf::search(const PaddedQueries& queries, std::int64_t query, std::int64_t k,
                                  std::int64_t probes, const RemovedRows& removed) const {
  constexpr std::int64_t kTile = 1024;
  std::vector<float> scores(static_cast<std::size_t>(kTile));
  BestNeighbors best(std::min(k, features_.count));
  lists_.visit_nearest(queries, query, probes, k, [&](std::int64_t begin, std::int64_t size, float) {
    std::int64_t found = 0;
    for_each_piece(size, kTile, [&](std::int64_t first, std::int64_t count) {
      inner_products(queries, query, 1, features_.part(begin + first, count), scores);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t row = lists_.row(begin + first + i);
        if (removed.contains(row)) continue;
        best.add({row, scores[static_cast<std::size_t>(i)]});
        ++found;
      }
    });
    return found;
  });
  return best.take_sorted();
}

}  // namespace cloob
