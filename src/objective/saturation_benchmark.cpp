#include "cloob/objective/saturation_benchmark.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "cloob/base/error.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/text.h"
#include "cloob/objective/contrastive_objective.h"

namespace cloob {
namespace {

constexpr std::size_t kNumAngles = 40'001;

double angle_at(double position) { return std::numbers::pi * position / (kNumAngles - 1); }

/// The density of the angle between the vectors of a pair, up to a factor, and what follows from it.
struct AngleDistribution {
  std::vector<double> weights;  ///< add up to 1
  double log_sum = 0;           ///< of the density's values on the grid
  double mean_cosine = 0;
};

AngleDistribution angles_of(std::int64_t dim, double concentration) {
  std::vector<double> logs(kNumAngles);
  double largest = -INFINITY;
  for (std::size_t i = 0; i < kNumAngles; ++i) {
    const double angle = angle_at(static_cast<double>(i));
    logs[i] = static_cast<double>(dim - 2) * std::log(std::sin(angle)) + concentration * std::cos(angle);
    if (std::isnan(logs[i])) logs[i] = -INFINITY;  // the sine of pi is rounded to a negative number
    largest = std::max(largest, logs[i]);
  }
  AngleDistribution result;
  double sum = 0;
  for (const double log : logs) result.weights.push_back(std::exp(log - largest));
  for (const double weight : result.weights) sum += weight;
  for (std::size_t i = 0; i < kNumAngles; ++i) {
    result.weights[i] /= sum;
    result.mean_cosine += result.weights[i] * std::cos(angle_at(static_cast<double>(i)));
  }
  result.log_sum = largest + std::log(sum);
  return result;
}

// The mean cosine rises with the concentration, about as 1 - (dim - 1) / (2 concentration) near 1.
double concentration_of(std::int64_t dim, double alignment) {
  double low = 0, high = static_cast<double>(dim) / (1 - alignment);
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (angles_of(dim, middle).mean_cosine < alignment ? low : high) = middle;
  }
  return (low + high) / 2;
}

at::Tensor scalar(double value) { return at::scalar_tensor(value, at::kDouble); }

at::Tensor leaf(const at::Tensor& features) { return features.detach().clone().requires_grad_(); }

// Where the derivative of the loss with respect to the bias is zero: it rises with the bias.
double best_bias(const ContrastiveObjective& objective, const RandomFeatures& pairs, double inv_tau) {
  double low = -2 * inv_tau - 40, high = 2 * inv_tau + 40;
  while (high - low > 1e-3) {
    const at::Tensor bias = scalar((low + high) / 2).requires_grad_();
    objective.evaluate(pairs.image_ND, pairs.text_ND, {scalar(inv_tau), bias}).backward();
    (bias.grad().item<double>() < 0 ? low : high) = (low + high) / 2;
  }
  return (low + high) / 2;
}

// Features are unit vectors.
at::Tensor tangential(const at::Tensor& gradient_ND, const at::Tensor& features_ND) {
  return gradient_ND - (gradient_ND * features_ND).sum(1, /*keepdim=*/true) * features_ND;
}

double norm_of(const at::Tensor& of_image, const at::Tensor& of_text) {
  return std::hypot(of_image.norm().item<double>(), of_text.norm().item<double>());
}

/// What one draw of pairs gives.
struct Measured {
  double value, gradient, whole_gradient, positive_mass, gradient_weight;
};

Measured measure(const ContrastiveObjective& objective, const RandomFeatures& pairs,
                 const LogitScaling& scaling) {
  const at::Tensor image_ND = leaf(pairs.image_ND), text_ND = leaf(pairs.text_ND);
  const at::Tensor value = objective.evaluate(image_ND, text_ND, scaling);
  value.backward();
  const at::NoGradGuard no_grad;
  const double per_pair = std::sqrt(static_cast<double>(image_ND.size(0)));
  const PairMeasures measures = objective.measure(image_ND, text_ND, scaling);
  return {value.item<double>(),
          per_pair * norm_of(tangential(image_ND.grad(), image_ND), tangential(text_ND.grad(), text_ND)),
          per_pair * norm_of(image_ND.grad(), text_ND.grad()), measures.positive_mass.item<double>(),
          measures.gradient_weight.item<double>()};
}

struct MeanAndDeviation {
  double mean = 0, deviation = 0;
};

MeanAndDeviation over(const std::vector<Measured>& draws, double Measured::* number) {
  const auto count = static_cast<double>(draws.size());
  MeanAndDeviation result;
  for (const Measured& draw : draws) result.mean += draw.*number / count;
  for (const Measured& draw : draws) result.deviation += std::pow(draw.*number - result.mean, 2);
  result.deviation = draws.size() > 1 ? std::sqrt(result.deviation / (count - 1)) : 0;
  return result;
}

SaturationRow measure_cell(SaturationRow cell, const std::vector<RandomFeatures>& draws, double inv_tau) {
  const auto [loss, retrieval] = kinds_of(cell.objective);
  const ContrastiveObjective objective(
      {.kind = loss},
      {.kind = retrieval, .beta = retrieval == RetrievalKind::hopfield ? cell.beta : RetrievalConfig{}.beta},
      at::kCPU);
  if (loss == LossKind::sigmoid) cell.logit_bias = best_bias(objective, draws.front(), inv_tau);
  std::vector<Measured> measured;
  for (const RandomFeatures& pairs : draws)
    measured.push_back(measure(objective, pairs, {scalar(inv_tau), scalar(cell.logit_bias)}));
  const auto value = over(measured, &Measured::value), gradient = over(measured, &Measured::gradient);
  cell.value = value.mean;
  cell.value_std = value.deviation;
  cell.gradient = gradient.mean;
  cell.gradient_std = gradient.deviation;
  cell.whole_gradient = over(measured, &Measured::whole_gradient).mean;
  cell.positive_mass = over(measured, &Measured::positive_mass).mean;
  cell.gradient_weight = over(measured, &Measured::gradient_weight).mean;
  return cell;
}

void check(const SaturationBenchmark& benchmark) {
  const auto require = [](bool is_valid, std::string_view what, double value, std::string_view allowed) {
    if (!is_valid) throw_user_error("{} is {}, must be {}", what, shortest(value), allowed);
  };
  for (const double alignment : benchmark.alignments)
    require(alignment >= 0 && alignment <= AlignedPairs::kMaxAlignment, "an alignment", alignment,
            "between 0 and 0.9999");
  for (const std::int64_t batch : benchmark.batches)
    require(batch >= ContrastiveObjective::kMinPairs, "a batch size", static_cast<double>(batch),
            "at least 2");
  for (const double beta : benchmark.betas) require(beta > 0, "a beta", beta, "greater than 0");
  require(benchmark.dim >= 3, "the dimension", static_cast<double>(benchmark.dim), "at least 3");
  require(benchmark.draws >= 1, "the number of draws", static_cast<double>(benchmark.draws), "at least 1");
  require(benchmark.inv_tau > 0, "the inverse temperature", benchmark.inv_tau, "greater than 0");
}

}  // namespace

AlignedPairs::AlignedPairs(std::int64_t dim, double alignment) : dim_(dim) {
  CLOOB_CHECK(dim >= 3 && alignment >= 0 && alignment <= kMaxAlignment, "dim {}, alignment {}", dim,
              alignment);
  concentration_ = alignment == 0 ? 0 : concentration_of(dim, alignment);
  const AngleDistribution paired = angles_of(dim, concentration_), independent = angles_of(dim, 0);
  // The expected logarithm of the ratio of both densities.
  mutual_information_ = concentration_ * paired.mean_cosine - (paired.log_sum - independent.log_sum);
  double sum = 0;
  for (const double weight : paired.weights) cumulative_.push_back(sum += weight);
}

RandomFeatures AlignedPairs::draw(std::int64_t num_pairs, std::uint64_t seed) const {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const at::Tensor x_ND = unit_rows(at::randn({num_pairs, dim_}, generator, at::kDouble));
  const at::Tensor other_ND = at::randn({num_pairs, dim_}, generator, at::kDouble);
  const at::Tensor orthogonal_ND = unit_rows(tangential(other_ND, x_ND));
  const at::Tensor uniform_N = at::rand({num_pairs}, generator, at::kDouble);
  const at::Tensor angle_N1 = at::empty({num_pairs, 1}, at::kDouble);
  for (std::int64_t pair = 0; pair < num_pairs; ++pair) {
    // Between two angles of the grid, linearly.
    const double level = uniform_N.const_data_ptr<double>()[pair] * cumulative_.back();
    const auto above = std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, level);
    const auto index = static_cast<double>(above - cumulative_.begin());
    const double below = above == cumulative_.begin() ? 0 : *(above - 1);
    const double fraction = *above > below ? (level - below) / (*above - below) : 0;
    angle_N1.mutable_data_ptr<double>()[pair] = angle_at(std::max(0.0, index - 1 + fraction));
  }
  return {x_ND, x_ND * angle_N1.cos() + orthogonal_ND * angle_N1.sin()};
}

std::vector<SaturationRow> benchmark_saturation(const SaturationBenchmark& benchmark,
                                                const std::function<void(double alignment)>& report) {
  check(benchmark);
  std::vector<SaturationRow> rows;
  for (const double alignment : benchmark.alignments) {
    if (report) report(alignment);
    const AlignedPairs pairs(benchmark.dim, alignment);
    for (const std::int64_t batch : benchmark.batches) {
      std::vector<RandomFeatures> draws;
      for (std::int64_t draw = 0; draw < benchmark.draws; ++draw)
        draws.push_back(pairs.draw(batch, benchmark.seed + static_cast<std::uint64_t>(draw)));
      for (const auto& [name, system] : EnumNames<ObjectiveSystem>::names) {
        const bool retrieves = kinds_of(system).retrieval == RetrievalKind::hopfield;
        for (const double beta : retrieves ? benchmark.betas : std::vector<double>{0}) {
          rows.push_back(measure_cell({.objective = system,
                                       .alignment = alignment,
                                       .mutual_information = pairs.mutual_information(),
                                       .batch = batch,
                                       .beta = beta},
                                      draws, benchmark.inv_tau));
        }
      }
    }
  }
  return rows;
}

}  // namespace cloob
