// An inverted file: the rows in lists by the nearest of some centroids, of which a search looks into a few.
#pragma once

#include <filesystem>
#include <vector>

#include "cloob/base/mapped_file.h"
#include "cloob/search/feature_rows.h"
#include "cloob/search/index_format.h"
#include "cloob/search/index_writer.h"
#include "search/inverted_lists.h"

namespace cloob {

/// Writes the files PREFIX.centroids, .offsets, .rows and .features. The centroids are those of spherical k-means on a sample of
/// the rows: memory is that of the sample, of the centroids and of 20 bytes a row. The same bits for any number of threads.
/// `reader` and `rows` are of one file.
IvfShape write_ivf(const std::filesystem::path& prefix, const RowReader& reader, const FeatureRows& rows,
                   const IndexLayout& layout, const StopRequested& stop_requested);

/// The mapped lists.
class Ivf {
 public:
  /// Throws UserError if the lists do not cover the rows. `shape` is checked against the sizes of the files before.
  /// `rows`: those that were indexed; only their sizes count.
  Ivf(const std::filesystem::path& prefix, const IvfShape& shape, const FeatureRows& rows);

  /// The k best rows of the `probes` nearest lists, and of more lists if those have fewer than k; without those of `removed`.
  std::vector<Neighbor> search(const PaddedQueries& queries, std::int64_t query, std::int64_t k,
                               std::int64_t probes, const RemovedRows& removed) const;

 private:
  InvertedLists lists_;
  MappedFile mapped_;
  FeatureRows features_;  // in the order of the lists
};

}  // namespace cloob
