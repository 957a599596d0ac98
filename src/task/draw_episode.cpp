#include "task/draw_episode.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isin.h>

#include <algorithm>
#include <vector>

#include "cloob/cluster/pca.h"

namespace cloob {
namespace {

constexpr std::int64_t kMaxEven = 1500, kMaxLargest = 10, kMaxMembers = 50;  // 2,000 samples in all

// At most `max` of the numbers, spread evenly.
at::Tensor evenly(const at::Tensor& numbers_n, std::int64_t max) {
  const std::int64_t count = numbers_n.numel(), kept = std::min(count, max);
  if (kept == count) return numbers_n;
  return numbers_n.index_select(0, at::arange(kept, at::kLong).mul(count).floor_divide(kept));
}

template <class Number>
std::vector<Number> list_of(const at::Tensor& numbers_s) {
  const at::Tensor contiguous_s = numbers_s.contiguous();
  const Number* const first = contiguous_s.const_data_ptr<Number>();
  return {first, first + contiguous_s.numel()};
}

std::vector<EpisodeCluster> largest_clusters(const at::Tensor& labels_n) {
  const auto [sizes_K, clusters_K] =
      at::bincount(labels_n).sort(/*stable=*/true, /*dim=*/0, /*descending=*/true);
  std::vector<EpisodeCluster> largest;
  for (std::int64_t i = 0; i < std::min(kMaxLargest, sizes_K.numel()); ++i) {
    const auto size = sizes_K[i].item<std::int64_t>();
    if (size > 0) largest.push_back({clusters_K[i].item<std::int64_t>(), size});
  }
  return largest;
}

// Rows that are spread evenly, and after them members of the largest clusters.
at::Tensor chosen_rows(const at::Tensor& labels_n, const std::vector<EpisodeCluster>& largest) {
  const at::Tensor even_s = evenly(at::arange(labels_n.numel(), at::kLong), kMaxEven);
  std::vector<at::Tensor> rows = {even_s};
  for (const EpisodeCluster& cluster : largest) {
    const at::Tensor members_m = evenly(labels_n.eq(cluster.cluster).nonzero().squeeze(1), kMaxMembers);
    rows.push_back(members_m.masked_select(at::isin(members_m, even_s).logical_not()));
  }
  return at::cat(rows);
}

EpisodeCloud cloud_of(const at::Tensor& points_S2, const at::Tensor& labels_S) {
  return {.x = list_of<double>(points_S2.select(1, 0)),
          .y = list_of<double>(points_S2.select(1, 1)),
          .clusters = list_of<std::int64_t>(labels_S)};
}

}  // namespace

std::optional<EpisodePicture> draw_episode(const EpisodeFeatures& features,
                                           const EpisodePrototypes& prototypes) {
  const at::NoGradGuard no_grad;
  const std::int64_t num_samples = features.places_n.numel();
  if (num_samples == 0 || features.image_nD.size(1) < 2) return std::nullopt;
  // Images are supervised by the clusters of texts, and the other way round.
  const at::Tensor text_labels_n = prototypes.image.labels_E.index_select(0, features.places_n),
                   image_labels_n = prototypes.text.labels_E.index_select(0, features.places_n);
  EpisodePicture picture{.num_samples = num_samples,
                         .num_clusters = prototypes.image.prototypes_KD.size(0),
                         .num_even = std::min(num_samples, kMaxEven),
                         .largest = largest_clusters(text_labels_n)};
  const at::Tensor rows_S = chosen_rows(text_labels_n, picture.largest);
  const auto chosen = [&](const at::Tensor& features_nD) {
    return features_nD.index_select(0, rows_S.to(features_nD.device())).to(at::kCPU, at::kDouble);
  };
  const at::Tensor images_SD = chosen(features.image_nD), texts_SD = chosen(features.text_nD);
  const at::Tensor even_ED =
      at::cat({images_SD.narrow(0, 0, picture.num_even), texts_SD.narrow(0, 0, picture.num_even)});
  const Pca pca = fit_pca(even_ED, /*components=*/2);
  const double all = (even_ED - pca.mean_D).square().sum().item<double>();
  picture.variance = all > 0 ? apply(pca, even_ED).square().sum().item<double>() / all : 0;
  // Images are on the left, so that the episodes of a run look alike.
  at::Tensor images_S2 = apply(pca, images_SD), texts_S2 = apply(pca, texts_SD);
  if (images_S2.select(1, 0).mean().item<double>() > texts_S2.select(1, 0).mean().item<double>()) {
    for (at::Tensor* const points_S2 : {&images_S2, &texts_S2}) points_S2->select(1, 0).neg_();
  }
  picture.images = cloud_of(images_S2, image_labels_n.index_select(0, rows_S));
  picture.texts = cloud_of(texts_S2, text_labels_n.index_select(0, rows_S));
  return picture;
}

}  // namespace cloob
