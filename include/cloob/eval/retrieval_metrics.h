#pragma once

#include <cstdint>
#include <span>

#include "cloob/base/collectives.h"
#include "cloob/eval/pair_features.h"
#include "cloob/report/named_numbers.h"

namespace cloob {

/// Ranks of the correct candidates, over all queries of one direction.
struct RankMetrics {
  double recall_at_1 = 0;   ///< Fraction of queries, 0 to 1, with a correct candidate in first place.
  double recall_at_5 = 0;   ///< ... among the first 5.
  double recall_at_10 = 0;  ///< ... among the first 10.
  double median_rank = 0;   ///< 1 is best. As in open_clip: floor(median of the ranks counted from 0) + 1.
  double mean_rank = 0;     ///< 1 is best.
};

struct RetrievalMetrics {
  RankMetrics image_to_text;
  RankMetrics text_to_image;
  std::int64_t num_images = 0;
  std::int64_t num_texts = 0;
};

/// Retrieval among the images and texts of all ranks by the inner products of their features, on the CPU. `own` are the parts of
/// this rank, possibly none.
///
/// An image may have several texts: from image to text its best-ranked text counts, from text to image there is one correct
/// candidate. The rank of a candidate, from 0, is the number of candidates with a greater product plus the number with the same
/// product and a lower row, as in a stable sort, so a model that makes all features equal gets no credit. Products are computed
/// in fp32, or in fp64 for fp64 features, of one part with another at a time: the matrix of all products is never materialized, and
/// no rank has all features.
///
/// Throws UserError if a feature is not finite or there is no image. A collective operation; the result is the same on every
/// rank.
RetrievalMetrics retrieval_metrics(std::span<const PairFeatures> own, const Collectives& collectives);

/// {"image_to_text_R@1", ...}, ..., {"num_images", ...}, {"num_texts", ...}: the names that scripts rely on.
NamedNumbers named_numbers(const RetrievalMetrics& metrics);

}  // namespace cloob
