#include "search/ivf.h"

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>

#include <algorithm>
#include <cstring>

#include <ATen/ops/from_blob.h>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/log.h"
#include "cloob/base/tiles.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBlockRows = 4096;

fs::path beside(const fs::path& prefix, const char* suffix) { return prefix.string() + suffix; }

void poll(const StopRequested& stop_requested) {
  if (stop_requested && stop_requested()) throw IndexingStopped();
}

template <class Number>
void write_numbers(const fs::path& path, std::span<const Number> numbers) {
  OutputFile file(path);
  file.write(std::as_bytes(numbers));
  file.finish();
}

// Evenly spaced rows as fp32.
std::vector<float> sample_of(const HalfRows& rows, std::int64_t lists) {
  constexpr std::int64_t kPerList = 64, kMost = std::int64_t{1} << 17;
  const std::int64_t size = std::min(rows.count, std::max(lists, std::min(kPerList * lists, kMost)));
  std::vector<float> sample(static_cast<std::size_t>(size * rows.dims));
  for (std::int64_t i = 0; i < size; ++i) {
    const at::Tensor row_1D = to_float(rows.part(i * rows.count / size, 1));
    std::copy_n(row_1D.const_data_ptr<float>(), rows.dims, sample.data() + i * rows.dims);
  }
  return sample;
}

std::vector<std::uint16_t> find_centroids(const HalfRows& rows, std::int64_t lists) {
  const std::vector<float> sample = sample_of(rows, lists);
  faiss::ClusteringParameters parameters;
  parameters.niter = 10;
  parameters.spherical = true;
  parameters.min_points_per_centroid = 1;        // no warnings on standard error
  parameters.max_points_per_centroid = 1 << 24;  // the sample is one already
  faiss::Clustering clustering(static_cast<int>(rows.dims), static_cast<int>(lists), parameters);
  faiss::IndexFlatIP assignment(rows.dims);
  clustering.train(std::ssize(sample) / rows.dims, sample.data(), assignment);
  const at::Tensor centroids_LD =
      at::from_blob(clustering.centroids.data(), {lists, rows.dims}, at::TensorOptions(at::kFloat));
  return to_half(unit_rows(centroids_LD.nan_to_num(0)));
}

// The list of every row.
std::vector<std::int32_t> assign(const HalfRows& rows, const HalfRows& centroids, std::int64_t threads,
                                 const StopRequested& stop_requested) {
  std::vector<std::int32_t> lists;
  lists.reserve(static_cast<std::size_t>(rows.count));
  for_each_piece(rows.count, kBlockRows, [&](std::int64_t first, std::int64_t count) {
    poll(stop_requested);
    for (const auto& best : exact_search(PaddedQueries(rows.part(first, count)), centroids, 1, threads))
      lists.push_back(best.empty() ? 0 : static_cast<std::int32_t>(best.front().row));
  });
  return lists;
}

}  // namespace

IvfShape write_ivf(const fs::path& prefix, const HalfRows& rows, const IndexLayout& layout,
                   const StopRequested& stop_requested) {
  const std::int64_t lists = std::min(layout.lists.value_or(default_lists(rows.count)), rows.count);
  log_info("search", "{}: k-means for {} lists", prefix.filename().string(), lists);
  const std::vector<std::uint16_t> centroids = find_centroids(rows, lists);
  const std::vector<std::int32_t> list_of_row =
      assign(rows, {centroids.data(), lists, rows.dims}, layout.threads, stop_requested);
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(lists) + 1, 0);
  for (const std::int32_t list : list_of_row) ++offsets[static_cast<std::size_t>(list) + 1];
  for (std::size_t i = 1; i < offsets.size(); ++i) offsets[i] += offsets[i - 1];
  std::vector<std::int64_t> next(offsets.begin(), offsets.end() - 1);
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows.count));
  for (std::int64_t row = 0; row < rows.count; ++row)
    order[static_cast<std::size_t>(
        next[static_cast<std::size_t>(list_of_row[static_cast<std::size_t>(row)])]++)] = row;

  write_numbers<std::uint16_t>(beside(prefix, ".centroids"), centroids);
  write_numbers<std::int64_t>(beside(prefix, ".offsets"), offsets);
  write_numbers<std::int64_t>(beside(prefix, ".rows"), order);
  OutputFile features(beside(prefix, ".features"));
  std::vector<std::uint16_t> block(static_cast<std::size_t>(kBlockRows * rows.dims));
  for_each_piece(rows.count, kBlockRows, [&](std::int64_t first, std::int64_t count) {
    poll(stop_requested);
    for (std::int64_t i = 0; i < count; ++i)
      std::copy_n(rows.row(order[static_cast<std::size_t>(first + i)]), rows.dims,
                  block.data() + i * rows.dims);
    features.write(std::as_bytes(std::span(block).first(static_cast<std::size_t>(count * rows.dims))));
  });
  features.finish();
  return {lists, default_probes(lists)};
}

Ivf::Ivf(const fs::path& prefix, const IvfShape& shape, std::int64_t count, std::int64_t dims)
    : name_(prefix.string()),
      shape_(shape),
      count_(count),
      dims_(dims),
      centroids_(beside(prefix, ".centroids")),
      offsets_(beside(prefix, ".offsets")),
      rows_(beside(prefix, ".rows")),
      features_(beside(prefix, ".features")) {
  const auto offsets = offsets_.as<std::int64_t>();
  if (offsets.front() == 0 && offsets.back() == count && std::ranges::is_sorted(offsets)) return;
  throw_user_error("'{}.offsets' is damaged: the lists do not cover {} entries: index again", name_, count);
}

std::vector<Neighbor> Ivf::search(const PaddedQueries& queries, std::int64_t query, std::int64_t k,
                                  std::int64_t probes) const {
  constexpr std::int64_t kTile = 1024;
  const HalfRows centroids{centroids_.as<std::uint16_t>().data(), shape_.lists, dims_};
  const HalfRows features{features_.as<std::uint16_t>().data(), count_, dims_};
  std::vector<float> scores(static_cast<std::size_t>(std::max(shape_.lists, kTile)));
  inner_products(queries, query, 1, centroids, scores);
  BestNeighbors nearest(shape_.lists);
  for (std::int64_t list = 0; list < shape_.lists; ++list)
    nearest.add({list, scores[static_cast<std::size_t>(list)]});
  BestNeighbors best(std::min(k, count_));
  std::int64_t seen = 0, probed = 0;
  for (const Neighbor& list : nearest.take_sorted()) {
    if (probed++ >= probes && seen >= k) break;
    const std::int64_t begin = offsets_.as<std::int64_t>()[static_cast<std::size_t>(list.row)];
    const std::int64_t size = offsets_.as<std::int64_t>()[static_cast<std::size_t>(list.row) + 1] - begin;
    for_each_piece(size, kTile, [&](std::int64_t first, std::int64_t count) {
      inner_products(queries, query, 1, features.part(begin + first, count), scores);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t row = rows_.as<std::int64_t>()[static_cast<std::size_t>(begin + first + i)];
        if (row < 0 || row >= count_)
          throw_user_error("'{}.rows' is damaged: it names entry {} of {}: index again", name_, row, count_);
        best.add({row, scores[static_cast<std::size_t>(i)]});
      }
    });
    seen += size;
  }
  return best.take_sorted();
}

}  // namespace cloob
