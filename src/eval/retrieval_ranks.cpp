// Shapes: n images and m texts of a part, N and M those of all parts, b images of a block, D features.
#include "eval/retrieval_ranks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <vector>

#include "eval/ranks.h"

namespace cloob {
namespace {

/// Where the rows of a part are among those of all parts.
struct PartPlace {
  std::int64_t number = 0;
  std::int64_t first_image = 0, num_images = 0;
  std::int64_t first_text = 0, num_texts = 0;
};

struct Layout {
  std::vector<PartPlace> parts;  ///< of all ranks, in order
  std::int64_t first_own = 0;    ///< the first of this rank
  std::int64_t num_images = 0, num_texts = 0;
  std::int64_t feature_dim = 0;
  at::ScalarType type = at::kFloat;
};

/// The correct candidates of queries: best scores, and where the candidates are among all.
struct Targets {
  at::Tensor score;
  at::Tensor row;
};

struct OwnPart {
  PartPlace place;
  const PairFeatures& features;
  Targets of_image_n;
  Targets of_text_m;
};

/// Where candidates are, seen from the correct one: it wins against equal ones that come after it.
enum class CandidatesAre { before, around, after };

Layout layout_of(std::span<const PairFeatures> own, const Collectives& collectives) {
  Layout layout;
  const at::Tensor sizes_P2 = at::empty({std::ssize(own), 2}, at::kLong);
  auto* size = sizes_P2.data_ptr<std::int64_t>();
  for (const PairFeatures& part : own) {
    *size++ = part.image_ND.size(0);
    *size++ = part.text_MD.size(0);
    layout.feature_dim = part.image_ND.size(1);
    layout.type = part.image_ND.scalar_type();
  }
  const GatheredRows all = collectives.gather_rows(sizes_P2);
  layout.first_own = all.first_row;
  const at::Tensor all_P2 = all.rows_ND.contiguous();
  const auto* all_size = all_P2.const_data_ptr<std::int64_t>();
  for (std::int64_t part = 0; part < all_P2.size(0); ++part, all_size += 2) {
    layout.parts.push_back({part, layout.num_images, all_size[0], layout.num_texts, all_size[1]});
    layout.num_images += all_size[0];
    layout.num_texts += all_size[1];
  }
  // For a rank without parts.
  layout.feature_dim = static_cast<std::int64_t>(collectives.max(static_cast<double>(layout.feature_dim)));
  if (collectives.max(layout.type == at::kDouble ? 1 : 0) > 0) layout.type = at::kDouble;
  return layout;
}

// The products of images with texts, one block of images at a time.
void for_each_block(const at::Tensor& image_nD, const at::Tensor& text_mD,
                    const std::function<void(const at::Tensor& scores_bm, std::int64_t begin)>& use) {
  const std::int64_t block = rows_per_block(text_mD.size(0));
  for (std::int64_t begin = 0; begin < image_nD.size(0); begin += block) {
    const std::int64_t end = std::min(begin + block, image_nD.size(0));
    use(image_nD.slice(0, begin, end).matmul(text_mD.t()), begin);
  }
}

// All correct candidates of a part's images and texts are in the same part.
OwnPart find_targets(const PairFeatures& part, const PartPlace& place) {
  const at::Tensor &image_nD = part.image_ND, &text_mD = part.text_MD;
  const auto like_scores = image_nD.options(), like_rows = image_nD.options().dtype(at::kLong);
  const at::Tensor image_of_text_m =
      at::tensor(at::ArrayRef(part.image_of_text.data(), part.image_of_text.size()), like_rows);
  const at::Tensor image_n = at::arange(image_nD.size(0), like_rows);
  OwnPart own{.place = place,
              .features = part,
              .of_image_n = {at::empty({image_nD.size(0)}, like_scores), at::empty_like(image_n)},
              .of_text_m = {at::empty({text_mD.size(0)}, like_scores), image_of_text_m + place.first_image}};
  for_each_block(image_nD, text_mD, [&](const at::Tensor& scores_bm, std::int64_t begin) {
    const std::int64_t end = begin + scores_bm.size(0);
    const at::Tensor is_wrong_bm = image_n.slice(0, begin, end).unsqueeze(1) != image_of_text_m;
    // Among correct candidates with the same score argmax returns the first, which has the best rank.
    const at::Tensor correct_bm =
        scores_bm.masked_fill(is_wrong_bm, -std::numeric_limits<double>::infinity());
    const at::Tensor best_b = correct_bm.argmax(1);
    own.of_image_n.score.slice(0, begin, end).copy_(scores_bm.gather(1, best_b.unsqueeze(1)).squeeze(1));
    own.of_image_n.row.slice(0, begin, end).copy_(best_b + place.first_text);
    const at::Tensor text_k =
        (image_of_text_m >= begin).logical_and_(image_of_text_m < end).nonzero().squeeze(1);
    const at::Tensor row_k = image_of_text_m.index_select(0, text_k) - begin;
    own.of_text_m.score.index_put_({text_k}, scores_bm.index({row_k, text_k}));
  });
  return own;
}

/// The texts of one part.
struct VisitingTexts {
  PartPlace place;
  at::Tensor text_mD;
  Targets targets_m;
};

// From the rank that has them, the only one with an `own`, to all. A sum in which all others are zero moves half the bytes of
// gathering rows that are padded to equal numbers.
VisitingTexts hand_around(const OwnPart* own, const PartPlace& place, const Layout& layout,
                          const Collectives& collectives) {
  const auto type = at::TensorOptions().dtype(layout.type);
  const auto take = [&](const at::Tensor* values, at::IntArrayRef shape, const at::TensorOptions& options) {
    if (values == nullptr) return at::zeros(shape, options);
    return collectives.world_size() == 1 ? *values : values->clone();
  };
  VisitingTexts texts = {
      place,
      take(own ? &own->features.text_MD : nullptr, {place.num_texts, layout.feature_dim}, type),
      {take(own ? &own->of_text_m.score : nullptr, {place.num_texts}, type),
       take(own ? &own->of_text_m.row : nullptr, {place.num_texts}, at::kLong)}};
  collectives.sum_in_place(std::array{texts.text_mD, texts.targets_m.score, texts.targets_m.row});
  return texts;
}

CandidatesAre seen_from(const PartPlace& target, const PartPlace& candidates) {
  if (candidates.number == target.number) return CandidatesAre::around;
  return candidates.number < target.number ? CandidatesAre::before : CandidatesAre::after;
}

// For each target, the number of candidates that rank above it. `target` and `candidate_row` broadcast to `scores_bm`.
at::Tensor count_above(const at::Tensor& scores_bm, const Targets& target, const at::Tensor& candidate_row,
                       CandidatesAre where, std::int64_t candidate_dim) {
  if (where == CandidatesAre::before) return (scores_bm >= target.score).sum(candidate_dim);
  const at::Tensor higher_bm = scores_bm > target.score;
  if (where == CandidatesAre::after) return higher_bm.sum(candidate_dim);
  const at::Tensor equal_bm = (scores_bm == target.score).logical_and_(candidate_row < target.row);
  return equal_bm.logical_or_(higher_bm).sum(candidate_dim);
}

// Adds what these images and texts contribute to the ranks of both.
void compare(const OwnPart& images, const VisitingTexts& texts, RetrievalRanks& ranks) {
  const PartPlace &own = images.place, &theirs = texts.place;
  const at::Tensor image_row_n = at::arange(own.first_image, own.first_image + own.num_images, at::kLong);
  const at::Tensor text_row_m =
      at::arange(theirs.first_text, theirs.first_text + theirs.num_texts, at::kLong);
  const at::Tensor ranks_n = ranks.image_N.narrow(0, own.first_image, own.num_images);
  const at::Tensor ranks_m = ranks.text_M.narrow(0, theirs.first_text, theirs.num_texts);
  for_each_block(
      images.features.image_ND, texts.text_mD, [&](const at::Tensor& scores_bm, std::int64_t begin) {
        const auto of_block = [&](const at::Tensor& values_n) {
          return values_n.narrow(0, begin, scores_bm.size(0)).unsqueeze(1);
        };
        const Targets of_images = {of_block(images.of_image_n.score), of_block(images.of_image_n.row)};
        of_block(ranks_n).squeeze(1).add_(
            count_above(scores_bm, of_images, text_row_m, seen_from(own, theirs), 1));
        ranks_m.add_(
            count_above(scores_bm, texts.targets_m, of_block(image_row_n), seen_from(theirs, own), 0));
      });
}

}  // namespace

RetrievalRanks retrieval_ranks(std::span<const PairFeatures> own, const Collectives& collectives) {
  const Layout layout = layout_of(own, collectives);
  std::vector<OwnPart> parts;
  for (const PairFeatures& part : own)
    parts.push_back(
        find_targets(part, layout.parts[static_cast<std::size_t>(layout.first_own) + parts.size()]));
  RetrievalRanks ranks{at::zeros({layout.num_images}, at::kLong), at::zeros({layout.num_texts}, at::kLong)};
  for (const PartPlace& place : layout.parts) {
    const std::int64_t number = place.number - layout.first_own;
    const bool is_own = number >= 0 && number < std::ssize(parts);
    const VisitingTexts texts =
        hand_around(is_own ? &parts[static_cast<std::size_t>(number)] : nullptr, place, layout, collectives);
    for (const OwnPart& images : parts) compare(images, texts, ranks);
  }
  collectives.sum_in_place(std::array{ranks.image_N, ranks.text_M});
  return ranks;
}

}  // namespace cloob
