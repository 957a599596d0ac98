// An inverted file of codes: rows in lists around centroids, of each a short code for what it differs from its centroid by. A search
// compares the query with the codes in a few lists, and with the rows themselves of the best of these.
#pragma once

#include <filesystem>
#include <vector>

#include "cloob/base/mapped_file.h"
#include "cloob/search/feature_rows.h"
#include "cloob/search/index_format.h"
#include "cloob/search/index_writer.h"
#include "search/inverted_lists.h"
#include "search/product_quantizer.h"

namespace cloob {

/// Writes the files PREFIX.centroids, .offsets, .rows, .codebooks and .codes. Centroids and codebooks are of a sample of the rows:
/// memory is that of the sample, of the centroids, of 20 bytes and of a code for each row. The same bits for any number of threads.
IvfpqShape write_ivfpq(const std::filesystem::path& prefix, const RowReader& rows, const IndexLayout& layout,
                       const StopRequested& stop_requested);

/// The mapped lists.
class Ivfpq {
 public:
  /// Throws UserError if the lists do not cover the rows. `shape` is checked against the sizes of the files before.
  Ivfpq(const std::filesystem::path& prefix, const IvfpqShape& shape, const FeatureRows& rows);

  /// The k best rows of the `rerank` with the best codes in the `probes` nearest lists, and in more lists if those have fewer than
  /// k; without those of `removed`. Scores are of the rows, not of the codes.
  std::vector<Neighbor> search(const PaddedQueries& queries, std::int64_t query, std::int64_t k,
                               std::int64_t probes, std::int64_t rerank, const RemovedRows& removed) const;

 private:
  InvertedLists lists_;
  FeatureRows rows_;
  CodeShape code_;
  MappedFile codebooks_, codes_;
};

}  // namespace cloob
