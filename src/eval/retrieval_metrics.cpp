// Shapes: N images, M texts, Q queries, K candidates, B queries of one block, D features.
#include "cloob/eval/retrieval_metrics.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/eval/feature_encoder.h"
#include "eval/ranks.h"

namespace cloob {
namespace {

// For every query, the rank of its best-ranked correct candidate. Query and candidate belong together if
// their groups are equal; every query has at least one such candidate.
at::Tensor best_ranks(const at::Tensor& query_QD, const at::Tensor& candidate_KD,
                      const at::Tensor& query_group_Q, const at::Tensor& candidate_group_K) {
  const std::int64_t block = rows_per_block(candidate_KD.size(0));
  std::vector<at::Tensor> ranks;
  for (std::int64_t begin = 0; begin < query_QD.size(0); begin += block) {
    const std::int64_t end = std::min(begin + block, query_QD.size(0));
    const at::Tensor scores_BK = query_QD.slice(0, begin, end).matmul(candidate_KD.t());
    const at::Tensor is_wrong_BK = query_group_Q.slice(0, begin, end).unsqueeze(1) != candidate_group_K;
    const at::Tensor correct_scores_BK =
        scores_BK.masked_fill(is_wrong_BK, -std::numeric_limits<double>::infinity());
    // Among correct candidates with the same score argmax returns the first, which has the best rank.
    ranks.push_back(ranks_in_rows(scores_BK, correct_scores_BK.argmax(1)));
  }
  return at::cat(ranks);
}

RankMetrics summary(const at::Tensor& ranks_Q) {
  const at::Tensor sorted = std::get<0>(ranks_Q.cpu().sort());
  const std::int64_t* const rank = sorted.const_data_ptr<std::int64_t>();
  const auto count = static_cast<std::size_t>(sorted.size(0));
  const auto fraction_below = [&](std::int64_t bound) {
    return static_cast<double>(std::lower_bound(rank, rank + count, bound) - rank) /
           static_cast<double>(count);
  };
  const double median = static_cast<double>(rank[(count - 1) / 2] + rank[count / 2]) / 2;
  return {.recall_at_1 = fraction_below(1),
          .recall_at_5 = fraction_below(5),
          .recall_at_10 = fraction_below(10),
          .median_rank = std::floor(median) + 1,
          .mean_rank = sorted.to(at::kDouble).mean().item<double>() + 1};
}

void require_text_for_every_image(std::int64_t num_images, std::span<const std::int64_t> image_of_text) {
  std::vector<bool> has_text(static_cast<std::size_t>(num_images));
  for (const std::int64_t image : image_of_text) {
    CLOOB_CHECK(image >= 0 && image < num_images, "a text belongs to image {} of {}", image, num_images);
    has_text[static_cast<std::size_t>(image)] = true;
  }
  const auto without = std::find(has_text.begin(), has_text.end(), false) - has_text.begin();
  if (without < num_images) {
    throw_user_error(
        "image {} of the evaluation data (counted from 0) has no text: retrieval needs a text for every "
        "image",
        without);
  }
}

void append(NamedNumbers& numbers, const std::string& direction, const RankMetrics& metrics) {
  numbers.emplace_back(direction + "_R@1", metrics.recall_at_1);
  numbers.emplace_back(direction + "_R@5", metrics.recall_at_5);
  numbers.emplace_back(direction + "_R@10", metrics.recall_at_10);
  numbers.emplace_back(direction + "_median_rank", metrics.median_rank);
  numbers.emplace_back(direction + "_mean_rank", metrics.mean_rank);
}

}  // namespace

RetrievalMetrics retrieval_metrics(const at::Tensor& image_features_ND, const at::Tensor& text_features_MD,
                                   std::span<const std::int64_t> image_of_text) {
  const std::int64_t num_images = image_features_ND.size(0);
  const std::int64_t num_texts = text_features_MD.size(0);
  CLOOB_CHECK(static_cast<std::int64_t>(image_of_text.size()) == num_texts,
              "{} texts, but image_of_text has {} entries", num_texts, image_of_text.size());
  if (num_images == 0)
    throw_user_error("retrieval needs at least one image with a text, but the evaluation data has none");
  require_text_for_every_image(num_images, image_of_text);
  require_finite_features(image_features_ND, "image");
  require_finite_features(text_features_MD, "text");

  const OutsideAutocast full_precision;
  const at::Tensor image_ND = at_least_fp32(image_features_ND.detach());
  const at::Tensor text_MD = at_least_fp32(text_features_MD.detach());
  const auto indices = at::TensorOptions().dtype(at::kLong).device(image_ND.device());
  const at::Tensor image_N = at::arange(num_images, indices);
  const at::Tensor image_of_text_M =
      at::tensor(at::ArrayRef(image_of_text.data(), image_of_text.size()), indices);
  return {.image_to_text = summary(best_ranks(image_ND, text_MD, image_N, image_of_text_M)),
          .text_to_image = summary(best_ranks(text_MD, image_ND, image_of_text_M, image_N)),
          .num_images = num_images,
          .num_texts = num_texts};
}

NamedNumbers named_numbers(const RetrievalMetrics& metrics) {
  NamedNumbers numbers;
  append(numbers, "image_to_text", metrics.image_to_text);
  append(numbers, "text_to_image", metrics.text_to_image);
  numbers.emplace_back("num_images", static_cast<double>(metrics.num_images));
  numbers.emplace_back("num_texts", static_cast<double>(metrics.num_texts));
  return numbers;
}

}  // namespace cloob
