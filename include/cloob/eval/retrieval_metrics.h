#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

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

/// Retrieval among N images and M texts by the inner products of their features.
///
/// `image_features_ND` and `text_features_MD` are L2-normalized rows on the same device; `image_of_text[t]`
/// is the row of the image that text t describes. An image may have several texts: from image to text its
/// best-ranked text counts, from text to image there is one correct candidate. The rank of a candidate, from
/// 0, is the number of candidates with a greater product plus the number with the same product and a lower
/// row, as in a stable sort, so a model that makes all features equal gets no credit. Products are computed
/// in fp32, or in fp64 for fp64 features, one block of queries at a time; the N x M matrix is never
/// materialized.
///
/// Throws UserError if a feature is not finite or an image has no text.
RetrievalMetrics retrieval_metrics(const at::Tensor& image_features_ND, const at::Tensor& text_features_MD,
                                   std::span<const std::int64_t> image_of_text);

/// {"image_to_text_R@1", ...}, ..., {"num_images", ...}, {"num_texts", ...}: the names that scripts rely on.
NamedNumbers named_numbers(const RetrievalMetrics& metrics);

}  // namespace cloob
