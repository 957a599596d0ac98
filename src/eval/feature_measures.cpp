// Shapes: B pairs of a part, N those of all parts, n compared rows, D features.
#include "cloob/eval/feature_measures.h"

#include <ATen/TensorOperators.h>
#include <ATen/ceil_div.h>
#include <ATen/ops/acos.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <string>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/slice.h"
#include "cloob/eval/feature_encoder.h"
#include "eval/exact_sum.h"

namespace cloob {
namespace {

// Less variance than this is rounding of fp32 features.
constexpr double kMinVariance = 1e-14;
constexpr double kEffectiveShare = 0.99;

at::Tensor unit_rows_fp64(const at::Tensor& features_BD) { return unit_rows(features_BD.to(at::kDouble)); }

// The features of one kind on this rank, a block for each part.
using Blocks = std::vector<at::Tensor>;

/// How many rows there are on all ranks, and where those of this one begin.
struct Rows {
  std::int64_t count = 0;
  std::int64_t first_own = 0;
  std::int64_t dim = 0;
};

Rows rows_of(const Blocks& blocks, const Collectives& collectives) {
  std::int64_t own = 0, dim = 0;
  for (const at::Tensor& block_BD : blocks) {
    own += block_BD.size(0);
    dim = block_BD.size(1);
  }
  const at::Tensor counts_W = collectives.gather_rows(at::full({1}, own, at::kLong)).rows_ND.contiguous();
  const auto* counts = counts_W.const_data_ptr<std::int64_t>();
  return {.count = std::accumulate(counts, counts + counts_W.numel(), std::int64_t{0}),
          .first_own = std::accumulate(counts, counts + collectives.rank(), std::int64_t{0}),
          .dim = static_cast<std::int64_t>(collectives.max(static_cast<double>(dim)))};
}

at::Tensor mean_of(const Blocks& blocks, const Rows& rows, const Collectives& collectives) {
  ExactSum sum({rows.dim}, static_cast<double>(rows.count));
  for (const at::Tensor& block_BD : blocks) sum.add(unit_rows_fp64(block_BD).sum(0));
  return sum.total(collectives) / static_cast<double>(rows.count);
}

// Ascending, without negative ones, which are rounding; empty if there is no variance. Of centred rows: the difference of two large
// moments would lose the small eigenvalues of features in a narrow cone.
at::Tensor eigenvalues_of(const Blocks& blocks, const Rows& rows, const at::Tensor& mean_D,
                          const Collectives& collectives) {
  ExactSum squares({}, 4.0 * static_cast<double>(rows.count));
  for (const at::Tensor& block_BD : blocks) squares.add((unit_rows_fp64(block_BD) - mean_D).square_().sum());
  const auto total = squares.total(collectives).item<double>();
  if (total <= kMinVariance * static_cast<double>(rows.count)) return at::empty({0}, at::kDouble);
  ExactSum moments({rows.dim, rows.dim}, 2 * total);
  for (const at::Tensor& block_BD : blocks) {
    const at::Tensor centred_BD = unit_rows_fp64(block_BD) - mean_D;
    moments.add(centred_BD.t().matmul(centred_BD));
  }
  const at::Tensor eigenvalues_D =
      at::linalg_eigvalsh(moments.total(collectives) / static_cast<double>(rows.count)).clamp_min(0);
  collectives.broadcast({{"eigenvalues", eigenvalues_D}});
  return eigenvalues_D;
}

void measure_spectrum(const at::Tensor& ascending_D, SphereMeasures& measures) {
  const auto* begin = ascending_D.const_data_ptr<double>();
  const std::vector<double> values(begin, begin + ascending_D.numel());
  const double sum = std::accumulate(values.rbegin(), values.rend(), 0.0);
  double held = 0, entropy = 0;
  for (auto value = values.rbegin(); value != values.rend(); ++value) {
    const double share = *value / sum;
    if (held < kEffectiveShare) ++measures.effective_eigenvalues;
    held += share;
    if (share > 0) entropy -= share * std::log(share);
  }
  if (!values.empty()) measures.effective_rank = std::exp(entropy);
}

// Evenly spaced rows, on every rank, as SampleOrder takes them: number i of n is row floor(i N / n).
at::Tensor compared_rows(const Blocks& blocks, const Rows& rows, std::int64_t max_rows,
                         const Collectives& collectives) {
  const std::int64_t n = std::min(rows.count, max_rows);
  std::int64_t first = rows.first_own, number = at::ceil_div(first * n, rows.count);
  Blocks chosen = {at::empty({0, rows.dim}, at::kFloat)};
  for (const at::Tensor& block_BD : blocks) {
    std::vector<std::int64_t> places;
    const std::int64_t end = first + block_BD.size(0);
    for (; number < n && number * rows.count / n < end; ++number)
      places.push_back(number * rows.count / n - first);
    chosen.push_back(block_BD.index_select(0, at::tensor(places, at::kLong)).to(at::kFloat));
    first = end;
  }
  return collectives.gather_rows(at::cat(chosen)).rows_ND;
}

/// Sums over the pairs i < j of compared rows.
struct PairSums {
  double potentials = 0;  ///< of exp(-2 |x_i - x_j|^2)
  double angles = 0;      ///< of arccos(x_i . x_j)
};

// The ranks share the tiles of the upper triangle. Each tile has its place in the sum, which therefore has the same order.
PairSums sums_over_pairs(const at::Tensor& rows_nD, const Collectives& collectives) {
  constexpr std::int64_t kTile = 512;
  const at::Tensor unit_nD = unit_rows_fp64(rows_nD);
  const std::int64_t tiles = at::ceil_div(unit_nD.size(0), kTile);
  const auto rows_of_tile = [&](std::int64_t tile) {
    return unit_nD.slice(0, tile * kTile, std::min((tile + 1) * kTile, unit_nD.size(0)));
  };
  const at::Tensor sums_T2 = at::zeros({tiles * (tiles + 1) / 2, 2}, at::kDouble);
  std::int64_t number = 0;
  for (std::int64_t a = 0; a < tiles; ++a) {
    for (std::int64_t b = a; b < tiles; ++b, ++number) {
      if (number % collectives.world_size() != collectives.rank()) continue;
      const at::Tensor cosines = rows_of_tile(a).matmul(rows_of_tile(b).t()).clamp_(-1, 1);
      at::Tensor potentials = ((cosines - 1) * 4).exp_(), angles = cosines.acos();
      if (a == b) {
        potentials = potentials.triu(1);
        angles = angles.triu(1);
      }
      sums_T2[number][0] = potentials.sum();
      sums_T2[number][1] = angles.sum();
    }
  }
  collectives.sum_in_place(std::array{sums_T2});
  PairSums sums;
  const auto* sum = sums_T2.const_data_ptr<double>();
  for (std::int64_t tile = 0; tile < number; ++tile) {
    sums.potentials += *sum++;
    sums.angles += *sum++;
  }
  return sums;
}

void measure_spread(const at::Tensor& rows_nD, const Collectives& collectives, SphereMeasures& measures) {
  const auto n = static_cast<double>(rows_nD.size(0));
  const PairSums sums = sums_over_pairs(rows_nD, collectives);
  measures.uniformity =
      n < 2 ? std::numeric_limits<double>::quiet_NaN() : std::log(sums.potentials / (n * (n - 1) / 2));
  measures.ajne = n / 4 - sums.angles / (std::numbers::pi * n);
}

double alignment_of(const Blocks& images, const Blocks& texts, const Rows& rows,
                    const Collectives& collectives) {
  ExactSum sum({}, 4.0 * static_cast<double>(rows.count) + 1);
  for (std::size_t block = 0; block < images.size(); ++block)
    sum.add((unit_rows_fp64(images[block]) - unit_rows_fp64(texts[block])).square_().sum());
  return sum.total(collectives).item<double>() / static_cast<double>(rows.count);
}

}  // namespace

FeatureMeasures measure_features(std::span<const PairFeatures> own, const Collectives& collectives,
                                 std::int64_t max_compared_rows) {
  const OutsideAutocast full_precision;
  Blocks images, texts;
  for (const PairFeatures& part : own) {
    images.push_back(part.image_ND.detach());
    texts.push_back(part.text_MD.detach().index_select(0, first_texts(part)));
    CLOOB_CHECK(texts.back().size(0) == images.back().size(0), "{} images have {} first texts",
                images.back().size(0), texts.back().size(0));
  }
  require_finite_features(images, "image", collectives);
  require_finite_features(texts, "text", collectives);
  const Rows rows = rows_of(images, collectives);
  if (rows.count == 0) throw_user_error("measuring features needs at least one pair, but the data has none");
  FeatureMeasures measures;
  measures.num_pairs = rows.count;
  measures.num_compared = std::min(rows.count, max_compared_rows);
  std::array<at::Tensor, 2> means_D;
  const std::array<const Blocks*, 2> kinds = {&images, &texts};
  const std::array<SphereMeasures*, 2> measures_of_kind = {&measures.image, &measures.text};
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    means_D[kind] = mean_of(*kinds[kind], rows, collectives);
    measure_spectrum(eigenvalues_of(*kinds[kind], rows, means_D[kind], collectives), *measures_of_kind[kind]);
    measure_spread(compared_rows(*kinds[kind], rows, max_compared_rows, collectives), collectives,
                   *measures_of_kind[kind]);
  }
  measures.alignment = alignment_of(images, texts, rows, collectives);
  measures.modality_gap = (means_D[0] - means_D[1]).norm().item<double>();
  return measures;
}

NamedNumbers named_numbers(const FeatureMeasures& measures) {
  const SphereMeasures &image = measures.image, &text = measures.text;
  return {{"effective_eigenvalues_image", image.effective_eigenvalues},
          {"effective_eigenvalues_text", text.effective_eigenvalues},
          {"effective_rank_image", image.effective_rank},
          {"effective_rank_text", text.effective_rank},
          {"alignment", measures.alignment},
          {"uniformity_image", image.uniformity},
          {"uniformity_text", text.uniformity},
          {"ajne_image", image.ajne},
          {"ajne_text", text.ajne},
          {"modality_gap", measures.modality_gap},
          {"num_feature_pairs", static_cast<double>(measures.num_pairs)},
          {"num_compared_pairs", static_cast<double>(measures.num_compared)}};
}

}  // namespace cloob
