// A graph of near neighbors in layers (hierarchical navigable small world), built and searched by faiss over the mapped features.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "cloob/search/feature_rows.h"
#include "cloob/search/index_format.h"
#include "cloob/search/index_writer.h"

namespace cloob {

/// Writes the files PREFIX.levels and PREFIX.links. Entries are inserted by several threads, so that two builds may differ in links.
HnswShape write_hnsw(const std::filesystem::path& prefix, const FeatureRows& rows, const IndexLayout& layout,
                     const StopRequested& stop_requested);

/// The graph in memory; the features stay where they are.
class Hnsw {
 public:
  /// Throws UserError if the links do not form such a graph. `shape` is checked against the sizes of the files before.
  /// `effort`: candidates that a search keeps, at least k.
  Hnsw(const std::filesystem::path& prefix, const HnswShape& shape, const FeatureRows& rows,
       std::int64_t effort);
  ~Hnsw();
  Hnsw(Hnsw&&) noexcept;

  /// About the k best rows that are not `removed`; can be fewer.
  std::vector<Neighbor> search(const float* query, std::int64_t k, const RemovedRows& removed) const;

 private:
  struct Graph;
  std::vector<Neighbor> search_all(const float* query, std::int64_t k) const;

  FeatureRows rows_;
  std::unique_ptr<Graph> graph_;
};

}  // namespace cloob
