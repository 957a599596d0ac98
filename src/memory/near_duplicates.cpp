#include "cloob/memory/near_duplicates.h"

#include <algorithm>

#include "cloob/base/error.h"
#include "cloob/base/parallel.h"
#include "cloob/base/tiles.h"
#include "cloob/search/feature_rows.h"

namespace cloob {
namespace {

// Rows that stay in a cache while blocks of images meet them.
constexpr std::int64_t kTileRows = 64, kImagesAtOnce = 64;

// Of consecutive rows, whether they are near an image.
std::vector<bool> near_rows(const PaddedQueries& images, const FeatureRows& rows, double threshold) {
  std::vector<bool> is_near(static_cast<std::size_t>(rows.count), false);
  std::vector<float> scores(static_cast<std::size_t>(kImagesAtOnce * rows.count));
  for_each_piece(images.count(), kImagesAtOnce, [&](std::int64_t first, std::int64_t count) {
    inner_products(images, first, count, rows, scores);
    for (std::int64_t image = 0; image < count; ++image) {
      for (std::int64_t row = 0; row < rows.count; ++row) {
        if (static_cast<double>(scores[static_cast<std::size_t>(image * rows.count + row)]) >= threshold)
          is_near[static_cast<std::size_t>(row)] = true;
      }
    }
  });
  return is_near;
}

}  // namespace

std::vector<std::int64_t> find_near_duplicates(const SearchIndex& index, const at::Tensor& images_MD,
                                               const NearDuplicateOptions& options) {
  const FeatureRows rows = index.features(Side::image);
  CLOOB_CHECK(images_MD.size(1) == rows.dims, "images of {} numbers, rows of {}", images_MD.size(1),
              rows.dims);
  const PaddedQueries images(images_MD);
  const std::int64_t tiles = (rows.count + kTileRows - 1) / kTileRows, tiles_at_once = 1024;
  std::vector<std::int64_t> found;
  for_each_piece(tiles, tiles_at_once, [&](std::int64_t first_tile, std::int64_t num_tiles) {
    if (options.stop_requested && options.stop_requested()) throw IndexingStopped();
    std::vector<std::vector<bool>> near(static_cast<std::size_t>(num_tiles));
    parallel_for(num_tiles, resolve_threads(options.threads), [&](std::int64_t tile) {
      const std::int64_t first = (first_tile + tile) * kTileRows;
      near[static_cast<std::size_t>(tile)] =
          near_rows(images, rows.part(first, std::min(kTileRows, rows.count - first)), options.threshold);
    });
    for (std::int64_t tile = 0; tile < num_tiles; ++tile) {
      const std::vector<bool>& of_tile = near[static_cast<std::size_t>(tile)];
      for (std::size_t i = 0; i < of_tile.size(); ++i) {
        const std::int64_t row = (first_tile + tile) * kTileRows + static_cast<std::int64_t>(i);
        if (of_tile[i] && !index.is_removed(row)) found.push_back(row);
      }
    }
    if (options.progress) options.progress(std::min(rows.count, (first_tile + num_tiles) * kTileRows));
  });
  return found;
}

}  // namespace cloob
