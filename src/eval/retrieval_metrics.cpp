#include "cloob/eval/retrieval_metrics.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/eval/feature_encoder.h"
#include "eval/retrieval_ranks.h"

namespace cloob {
namespace {

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

void require_text_for_every_image(const PairFeatures& part) {
  const std::int64_t num_images = part.image_ND.size(0);
  CLOOB_CHECK(std::ssize(part.image_of_text) == part.text_MD.size(0),
              "{} texts, but image_of_text has {} entries", part.text_MD.size(0), part.image_of_text.size());
  std::vector<bool> has_text(static_cast<std::size_t>(num_images));
  for (const std::int64_t image : part.image_of_text) {
    CLOOB_CHECK(image >= 0 && image < num_images, "a text belongs to image {} of {}", image, num_images);
    has_text[static_cast<std::size_t>(image)] = true;
  }
  const auto without = std::find(has_text.begin(), has_text.end(), false) - has_text.begin();
  CLOOB_CHECK(without == num_images, "image {} of a part has no text", without);
}

void append(NamedNumbers& numbers, const std::string& direction, const RankMetrics& metrics) {
  numbers.emplace_back(direction + "_R@1", metrics.recall_at_1);
  numbers.emplace_back(direction + "_R@5", metrics.recall_at_5);
  numbers.emplace_back(direction + "_R@10", metrics.recall_at_10);
  numbers.emplace_back(direction + "_median_rank", metrics.median_rank);
  numbers.emplace_back(direction + "_mean_rank", metrics.mean_rank);
}

}  // namespace

RetrievalRanks checked_retrieval_ranks(std::span<const PairFeatures> own, const Collectives& collectives) {
  const OutsideAutocast full_precision;
  std::vector<PairFeatures> parts;
  std::vector<at::Tensor> images, texts;
  for (const PairFeatures& part : own) {
    require_text_for_every_image(part);
    images.push_back(at_least_fp32(part.image_ND.detach()));
    texts.push_back(at_least_fp32(part.text_MD.detach()));
    parts.push_back({images.back(), texts.back(), part.image_of_text});
  }
  require_finite_features(images, "image", collectives);
  require_finite_features(texts, "text", collectives);
  RetrievalRanks ranks = retrieval_ranks(parts, collectives);
  if (ranks.image_N.size(0) == 0)
    throw_user_error("retrieval needs at least one image with a text, but the evaluation data has none");
  return ranks;
}

RetrievalMetrics metrics_of(const RetrievalRanks& ranks) {
  return {.image_to_text = summary(ranks.image_N),
          .text_to_image = summary(ranks.text_M),
          .num_images = ranks.image_N.size(0),
          .num_texts = ranks.text_M.size(0)};
}

RetrievalMetrics retrieval_metrics(std::span<const PairFeatures> own, const Collectives& collectives) {
  return metrics_of(checked_retrieval_ranks(own, collectives));
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
