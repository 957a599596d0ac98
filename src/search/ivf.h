// An inverted file: the rows in lists by the nearest of some centroids, of which a search looks into a few.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "cloob/base/mapped_file.h"
#include "cloob/search/half_rows.h"
#include "cloob/search/index_format.h"
#include "cloob/search/index_writer.h"

namespace cloob {

/// Writes the files PREFIX.centroids, .offsets, .rows and .features. The centroids are those of spherical k-means (faiss) on a
/// sample of the rows: memory is that of the sample, of the centroids and of 24 bytes a row.
IvfShape write_ivf(const std::filesystem::path& prefix, const HalfRows& rows, const IndexLayout& layout,
                   const StopRequested& stop_requested);

/// The mapped lists.
class Ivf {
 public:
  /// Throws UserError if the lists do not cover the rows. `shape` is checked against the sizes of the files before.
  Ivf(const std::filesystem::path& prefix, const IvfShape& shape, std::int64_t count, std::int64_t dims);

  /// The k best rows of the `probes` nearest lists, and of more lists if those have fewer than k.
  std::vector<Neighbor> search(const PaddedQueries& queries, std::int64_t query, std::int64_t k,
                               std::int64_t probes) const;

 private:
  std::string name_;
  IvfShape shape_;
  std::int64_t count_, dims_;
  MappedFile centroids_, offsets_, rows_, features_;
};

}  // namespace cloob
