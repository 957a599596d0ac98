#include "search/hnsw.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/HNSW.h>
#include <faiss/utils/Heap.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/mapped_file.h"
#include "cloob/base/parallel.h"
#include "cloob/base/random.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

fs::path beside(const fs::path& prefix, const char* suffix) { return prefix.string() + suffix; }

// faiss looks for small distances. For rows of length 1 the order is that of the Euclidean distance.
class NegativeInnerProduct final : public faiss::DistanceComputer {
 public:
  explicit NegativeInnerProduct(const FeatureRows& rows) : rows_(rows) {}
  void set_query(const float* padded_query) override { query_ = padded_query; }
  float operator()(idx_t row) override { return -inner_product(query_, rows_, row); }
  // faiss compares many rows with one before it comes to the next.
  float symmetric_dis(idx_t i, idx_t j) override {
    if (j != kept_row_) kept_.emplace(rows_.part(j, 1));
    kept_row_ = j;
    return -inner_product(kept_->query(0), rows_, i);
  }

 private:
  FeatureRows rows_;
  const float* query_ = nullptr;
  idx_t kept_row_ = -1;
  std::optional<PaddedQueries> kept_ = std::nullopt;
};

class Locks {
 public:
  explicit Locks(std::int64_t count) : locks_(static_cast<std::size_t>(count)) {
    for (omp_lock_t& lock : locks_) omp_init_lock(&lock);
  }
  ~Locks() {
    for (omp_lock_t& lock : locks_) omp_destroy_lock(&lock);
  }
  Locks(const Locks&) = delete;
  Locks& operator=(const Locks&) = delete;
  std::vector<omp_lock_t>& get() { return locks_; }

 private:
  std::vector<omp_lock_t> locks_;
};

// Rows of many layers first, as faiss inserts them: what comes later finds its way from the top. Shuffled otherwise, since rows
// that are sorted, by class for example, would be linked among themselves.
std::vector<std::int64_t> insertion_order(const std::vector<int>& levels) {
  std::vector<std::int64_t> order(levels.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](std::int64_t row) {
    return std::pair(-levels[static_cast<std::size_t>(row)], mix_bits({static_cast<std::uint64_t>(row)}));
  };
  std::ranges::sort(order, {}, key);
  return order;
}

// Inserts rows, in one thread.
class Inserter {
 public:
  Inserter(faiss::HNSW& hnsw, const FeatureRows& rows, Locks& locks)
      : hnsw_(hnsw), rows_(rows), locks_(locks), distance_(rows), visited_(static_cast<int>(rows.count)) {}

  void insert(std::int64_t row) {
    const PaddedQueries query(rows_.part(row, 1));
    distance_.set_query(query.query(0));
    const int top_layer = hnsw_.levels[static_cast<std::size_t>(row)] - 1;
    hnsw_.add_with_locks(distance_, top_layer, static_cast<int>(row), locks_.get(), visited_);
  }

 private:
  faiss::HNSW& hnsw_;
  FeatureRows rows_;
  Locks& locks_;
  NegativeInnerProduct distance_;
  faiss::VisitedTable visited_;
};

void insert_all(faiss::HNSW& hnsw, const FeatureRows& rows, std::int64_t threads,
                const StopRequested& stop_requested) {
  constexpr std::int64_t kBatch = 512;
  Locks locks(rows.count);
  const std::vector<std::int64_t> order = insertion_order(hnsw.levels);
  // Alone, because it is the entry point of the others.
  Inserter(hnsw, rows, locks).insert(order.front());
  std::atomic<std::int64_t> next = 1;
  parallel_for(threads, threads, [&](std::int64_t) {
    Inserter inserter(hnsw, rows, locks);
    for (std::int64_t first = next.fetch_add(kBatch); first < rows.count; first = next.fetch_add(kBatch)) {
      if (stop_requested && stop_requested()) throw IndexingStopped();
      const std::int64_t last = std::min(rows.count, first + kBatch);
      for (std::int64_t i = first; i < last; ++i) inserter.insert(order[static_cast<std::size_t>(i)]);
    }
  });
}

template <class Number>
void write_numbers(const fs::path& path, const std::vector<Number>& numbers) {
  OutputFile file(path);
  file.write(std::as_bytes(std::span(numbers)));
  file.finish();
}

}  // namespace

HnswShape write_hnsw(const fs::path& prefix, const FeatureRows& rows, const IndexLayout& layout,
                     const StopRequested& stop_requested) {
  log_info("search", "{}: graph of {} entries", prefix.filename().string(), rows.count);
  begin_stage(layout, "graph");
  const std::int64_t links_of_entry = layout.links.value_or(kDefaultLinks);
  faiss::HNSW hnsw(static_cast<int>(links_of_entry));
  hnsw.efConstruction = static_cast<int>(layout.construction_effort);
  hnsw.prepare_level_tab(static_cast<std::size_t>(rows.count));
  insert_all(hnsw, rows, resolve_threads(layout.threads), stop_requested);
  write_numbers(beside(prefix, ".levels"), hnsw.levels);
  write_numbers(beside(prefix, ".links"), hnsw.neighbors);
  return {.links = links_of_entry,
          .max_layer = hnsw.max_level,
          .entry_point = hnsw.entry_point,
          .total_links = std::ssize(hnsw.neighbors)};
}

struct Hnsw::Graph {
  faiss::HNSW hnsw;
};

namespace {

// Every row has room for the links of its layers, and a link of a layer goes to a row that has that layer: then no search
// leaves the tables.
void require_graph(const faiss::HNSW& hnsw, const HnswShape& shape, std::int64_t count,
                   const std::string& name) {
  const auto damaged = [&](const char* what) {
    throw_user_error("'{}' is damaged: {}: index again", name, what);
  };
  const auto level_of = [&](std::int64_t row) {
    return static_cast<std::int64_t>(hnsw.levels[static_cast<std::size_t>(row)]);
  };
  if (level_of(shape.entry_point) != shape.max_layer + 1)
    damaged("the entry point does not have the top layer");
  for (std::int64_t row = 0; row < count; ++row) {
    for (int layer = 0; layer < level_of(row); ++layer) {
      std::size_t begin = 0, end = 0;
      hnsw.neighbor_range(row, layer, &begin, &end);
      for (std::size_t i = begin; i < end; ++i) {
        const std::int64_t linked = hnsw.neighbors[i];
        if (linked == -1) continue;
        if (linked < 0 || linked >= count || level_of(linked) <= layer)
          damaged("a link leads to no entry of its layer");
      }
    }
  }
}

}  // namespace

Hnsw::Hnsw(const fs::path& prefix, const HnswShape& shape, const FeatureRows& rows, std::int64_t effort)
    : rows_(rows), graph_(std::make_unique<Graph>()) {
  const std::string name = prefix.string();
  const MappedFile levels(beside(prefix, ".levels")), links(beside(prefix, ".links"));
  faiss::HNSW& hnsw = graph_->hnsw;
  hnsw = faiss::HNSW(static_cast<int>(shape.links));
  hnsw.efSearch = static_cast<int>(effort);
  const std::int64_t num_layers = std::ssize(hnsw.cum_nneighbor_per_level) - 1;
  // The header was compared with the files before, but they may be those of another index by now.
  if (std::ssize(levels.as<std::int32_t>()) != rows.count)
    throw_user_error("'{}.levels' does not have {} entries: index again", name, rows.count);
  std::size_t total = 0;
  for (const std::int32_t level : levels.as<std::int32_t>()) {
    if (level < 1 || level > num_layers || level > shape.max_layer + 1)
      throw_user_error("'{}.levels' is damaged: an entry has {} layers: index again", name, level);
    total += static_cast<std::size_t>(hnsw.cum_nneighbor_per_level[static_cast<std::size_t>(level)]);
  }
  if (total != links.as<std::int32_t>().size()) {
    throw_user_error("'{}.links' has {} links, but the layers have room for {}: index again", name,
                     links.as<std::int32_t>().size(), total);
  }
  hnsw.levels.assign(levels.as<std::int32_t>().begin(), levels.as<std::int32_t>().end());
  hnsw.neighbors.assign(links.as<std::int32_t>().begin(), links.as<std::int32_t>().end());
  hnsw.offsets = {0};
  for (const int level : hnsw.levels) {
    hnsw.offsets.push_back(
        hnsw.offsets.back() +
        static_cast<std::size_t>(hnsw.cum_nneighbor_per_level[static_cast<std::size_t>(level)]));
  }
  hnsw.entry_point = static_cast<std::int32_t>(shape.entry_point);
  hnsw.max_level = static_cast<int>(shape.max_layer);
  require_graph(hnsw, shape, rows.count, name);
}

Hnsw::~Hnsw() = default;
Hnsw::Hnsw(Hnsw&&) noexcept = default;

// Removed rows are still ways to others, so that they are left out of what was found.
std::vector<Neighbor> Hnsw::search(const float* query, std::int64_t k, const RemovedRows& removed) const {
  constexpr std::int64_t kMore = 4;
  for (std::int64_t candidates = k;; candidates = std::min(candidates * kMore, rows_.count)) {
    std::vector<Neighbor> found = search_all(query, candidates);
    std::erase_if(found, [&](const Neighbor& neighbor) { return removed.contains(neighbor.row); });
    if (std::ssize(found) < k && candidates < rows_.count && !removed.rows().empty()) continue;
    found.resize(std::min(found.size(), static_cast<std::size_t>(k)));
    return found;
  }
}

std::vector<Neighbor> Hnsw::search_all(const float* query, std::int64_t k) const {
  const auto size = static_cast<std::size_t>(k);
  std::vector<faiss::Index::idx_t> rows(size, -1);
  std::vector<float> distances(size);
  faiss::maxheap_heapify(size, distances.data(), rows.data());
  faiss::VisitedTable visited(static_cast<int>(rows_.count));
  NegativeInnerProduct distance(rows_);
  distance.set_query(query);
  // Not by its search parameters: this version of faiss keeps as many candidates as the graph itself says.
  graph_->hnsw.search(distance, static_cast<int>(k), rows.data(), distances.data(), visited);
  BestNeighbors best(k);
  for (std::size_t i = 0; i < size; ++i) {
    if (rows[i] >= 0) best.add({rows[i], -distances[i]});
  }
  return best.take_sorted();
}

}  // namespace cloob
