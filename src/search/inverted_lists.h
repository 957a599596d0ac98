// Rows in lists around centroids: what an inverted file of features (ivf.h) and one of codes (ivfpq.h) have in common.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cloob/base/files.h"
#include "cloob/base/mapped_file.h"
#include "cloob/search/feature_rows.h"
#include "cloob/search/index_writer.h"
#include "search/row_reader.h"

namespace cloob {

/// PREFIX.SUFFIX.
std::filesystem::path beside(const std::filesystem::path& prefix, const char* suffix);

/// Throws IndexingStopped.
void poll(const StopRequested& stop_requested);

template <class Number>
void write_numbers(const std::filesystem::path& path, std::span<const Number> numbers) {
  OutputFile file(path);
  file.write(std::as_bytes(numbers));
  file.finish();
}

/// Rows of which centroids are made: 64 for a list, but 131,072 in all and one for a list at least.
std::int64_t sample_size(std::int64_t count, std::int64_t lists);

/// Spherical k-means of a sample; rounded to fp16, as they are stored. (L, D) fp32.
at::Tensor find_centroids(const at::Tensor& sample_ND, std::int64_t lists,
                          const StopRequested& stop_requested);

/// The list of each of these rows: that of the centroid with the largest inner product.
at::Tensor lists_of(const at::Tensor& rows_ND, const at::Tensor& centroids_LD);

/// Reads all rows, in blocks, and finds the list of each. `visit` is called with the blocks in their order.
std::vector<std::int32_t> assign_lists(
    const RowReader& rows, const at::Tensor& centroids_LD, const StopRequested& stop_requested,
    const std::function<void(const at::Tensor& rows_ND, const at::Tensor& lists_N)>& visit = {});

/// The rows list by list, in each in their order.
struct ListOrder {
  std::vector<std::int64_t> offsets;  ///< where each list begins, and the end
  std::vector<std::int64_t> rows;
};
ListOrder order_by_list(const std::vector<std::int32_t>& lists, std::int64_t num_lists);

/// Writes PREFIX.centroids, .offsets and .rows.
void write_lists(const std::filesystem::path& prefix, const at::Tensor& centroids_LD, const ListOrder& order);

/// The mapped lists.
class InvertedLists {
 public:
  /// Throws UserError if the lists do not cover the rows. Sizes of the files are checked before.
  InvertedLists(const std::filesystem::path& prefix, std::int64_t lists, std::int64_t count,
                std::int64_t dims);

  /// Rows are numbered by their places in the lists; `score` is that of the query and the centroid. Returns how many of them may be
  /// found.
  using Visit = std::function<std::int64_t(std::int64_t first, std::int64_t count, float score)>;
  /// Visits the `probes` nearest lists, and more until they have `least` rows that may be found.
  void visit_nearest(const PaddedQueries& queries, std::int64_t query, std::int64_t probes,
                     std::int64_t least, const Visit& visit) const;
  /// The row at a place. Throws UserError if there is no such row.
  std::int64_t row(std::int64_t place) const;

 private:
  std::string name_;
  std::int64_t lists_, count_, dims_;
  MappedFile centroids_, offsets_, rows_;
};

}  // namespace cloob
