// Shapes: n images and m texts of this rank, N and M those of all ranks.
#include "eval/suite/suite_measures.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

#include "cloob/eval/probe/linear_probe.h"
#include "cloob/eval/probe/nearest_neighbors.h"
#include "eval/retrieval_ranks.h"

namespace cloob {
namespace {

// Metrics of the same samples, with their intervals.
std::vector<SuiteMetric> with_intervals(std::vector<std::pair<std::string, SampleRatios>> named,
                                        const BootstrapOptions& options) {
  std::vector<SampleRatios> ratios;
  std::vector<SuiteMetric> metrics;
  for (auto& [name, of_metric] : named) {
    metrics.push_back({.name = name, .value = value_of(of_metric)});
    ratios.push_back(std::move(of_metric));
  }
  const std::vector<Interval> intervals = bootstrap_intervals(ratios, options);
  for (std::size_t i = 0; i < intervals.size(); ++i) metrics[i].interval = intervals[i];
  return metrics;
}

SampleRatios fraction_below(std::span<const ZeroShotOutcome> outcomes, std::int32_t bound) {
  SampleRatios ratios;
  for (const ZeroShotOutcome& outcome : outcomes)
    ratios.numerators.push_back(outcome.rank < bound ? 1.0F : 0.0F);
  return ratios;
}

SampleRatios mean_recall_of_classes(std::span<const ZeroShotOutcome> outcomes) {
  SampleRatios ratios = fraction_below(outcomes, 1);
  for (const ZeroShotOutcome& outcome : outcomes) ratios.groups.push_back(outcome.label);
  return ratios;
}

// For each text of all ranks, the number of its image among those of all ranks.
std::vector<std::int64_t> images_of_texts(std::span<const PairFeatures> own, const Collectives& collectives) {
  std::int64_t num_images = 0;
  std::vector<std::int64_t> image_of_text;
  for (const PairFeatures& part : own) {
    for (const std::int64_t image : part.image_of_text) image_of_text.push_back(num_images + image);
    num_images += part.image_ND.size(0);
  }
  const at::Tensor counts_W =
      collectives.gather_rows(at::tensor({num_images}, at::kLong)).rows_ND.contiguous();
  const auto* counts = counts_W.const_data_ptr<std::int64_t>();
  std::int64_t first = 0;
  for (std::int64_t rank = 0; rank < collectives.rank(); ++rank) first += counts[rank];
  const at::Tensor own_m = at::tensor(at::ArrayRef(image_of_text), at::kLong).add(first);
  const at::Tensor all_M = collectives.gather_rows(own_m).rows_ND.contiguous();
  const auto* all = all_M.const_data_ptr<std::int64_t>();
  return {all, all + all_M.numel()};
}

// Of texts, with images as what is drawn.
SampleRatios fraction_of_texts_below(const at::Tensor& rank_M, const std::vector<std::int64_t>& image_of_text,
                                     std::int64_t num_images, std::int64_t bound) {
  const auto size = static_cast<std::size_t>(num_images);
  SampleRatios ratios{.numerators = std::vector<float>(size), .denominators = std::vector<float>(size)};
  const auto* rank = rank_M.const_data_ptr<std::int64_t>();
  for (std::size_t text = 0; text < image_of_text.size(); ++text) {
    const auto image = static_cast<std::size_t>(image_of_text[text]);
    ratios.denominators[image] += 1;
    if (rank[text] < bound) ratios.numerators[image] += 1;
  }
  return ratios;
}

SampleRatios fraction_of_images_below(const at::Tensor& rank_N, std::int64_t bound) {
  SampleRatios ratios;
  const auto* rank = rank_N.const_data_ptr<std::int64_t>();
  for (std::int64_t image = 0; image < rank_N.numel(); ++image)
    ratios.numerators.push_back(rank[image] < bound ? 1.0F : 0.0F);
  return ratios;
}

std::vector<ZeroShotOutcome> outcomes_of(const LinearClassifier& classifier,
                                         const std::vector<LabeledPart>& test, const ProbeData& data,
                                         const Collectives& collectives) {
  ZeroShotMeter meter(std::ssize(data.class_names));
  classifier.classify(test, meter);
  return gather_outcomes(meter.outcomes(), collectives);
}

SuiteMeasures measure_logistic(const ProbeData& data, const SuiteSettings& eval,
                               const Collectives& collectives, const BootstrapOptions& options) {
  const auto num_classes = std::ssize(data.class_names);
  const LogisticProbe probe = fit_logistic_probe(data.train, num_classes, eval.probe_c, collectives);
  return {.metrics = accuracies("lp_", outcomes_of(probe.classifier, data.test, data, collectives),
                                num_classes, options),
          .details = {
              {"c", probe.c},
              {"validation_acc1", probe.validation_acc1.value_or(std::numeric_limits<double>::quiet_NaN())},
              {"fits", static_cast<double>(probe.num_fits)},
              {"iterations", static_cast<double>(probe.iterations)},
              {"converged", probe.converged ? 1.0 : 0.0}}};
}

SuiteMeasures measure_sgd(const ProbeData& data, const SuiteSettings& eval, const Collectives& collectives,
                          const BootstrapOptions& options) {
  const auto num_classes = std::ssize(data.class_names);
  const SgdProbeOptions sgd = {.seed = static_cast<std::uint64_t>(eval.seed)};
  LinearClassifier start = initial_sgd_probe(num_classes, dim_of_all(data.train, collectives), sgd.seed);
  const LinearClassifier classifier = fit_sgd_probe(data.train, std::move(start), sgd, collectives);
  return {.metrics =
              accuracies("lp_", outcomes_of(classifier, data.test, data, collectives), num_classes, options),
          .details = {{"epochs", static_cast<double>(sgd.epochs)}}};
}

SuiteMeasures measure_nearest(const ProbeData& data, const SuiteSettings& eval,
                              const Collectives& collectives, const BootstrapOptions& options) {
  const auto num_classes = std::ssize(data.class_names);
  const NeighborMeters meters =
      measure_neighbors(data.train, data.test, num_classes,
                        {.k = eval.knn_k, .temperature = eval.knn_temperature}, collectives);
  SuiteMeasures measures{
      .metrics =
          accuracies("knn_", gather_outcomes(meters.weighted.outcomes(), collectives), num_classes, options)};
  const std::vector<SuiteMetric> unweighted =
      accuracies("knn_plain_", gather_outcomes(meters.plain.outcomes(), collectives), num_classes, options);
  measures.metrics.push_back(unweighted.front());
  return measures;
}

// An image counts with the fraction of the draws in which it is classified correctly.
SuiteMeasures measure_few_shots(const ProbeData& data, const SuiteSettings& eval,
                                const Collectives& collectives, const BootstrapOptions& options) {
  std::vector<std::pair<std::string, SampleRatios>> named;
  for (const std::int64_t shots : eval.shots) {
    const std::vector<LinearClassifier> classifiers = fit_few_shot_probes(
        data.train, data.class_names,
        {.shots = shots, .draws = eval.shot_draws, .seed = static_cast<std::uint64_t>(eval.seed)},
        collectives);
    SampleRatios ratios;
    for (const LinearClassifier& classifier : classifiers) {
      const SampleRatios correct = fraction_below(outcomes_of(classifier, data.test, data, collectives), 1);
      ratios.numerators.resize(correct.numerators.size());
      for (std::size_t i = 0; i < correct.numerators.size(); ++i)
        ratios.numerators[i] += correct.numerators[i];
    }
    ratios.denominators.assign(ratios.numerators.size(), static_cast<float>(classifiers.size()));
    named.emplace_back(fmt::format("few_shot_acc1@{}", shots), std::move(ratios));
  }
  return {.metrics = with_intervals(std::move(named), options), .details = {{"c", FewShotOptions().c}}};
}

SuiteMeasures measure(SuiteTask task, const ProbeData& data, const SuiteSettings& eval,
                      const Collectives& collectives, const BootstrapOptions& options) {
  if (task == SuiteTask::knn) return measure_nearest(data, eval, collectives, options);
  if (task == SuiteTask::few_shot) return measure_few_shots(data, eval, collectives, options);
  return eval.probe_method == ProbeMethod::sgd ? measure_sgd(data, eval, collectives, options)
                                               : measure_logistic(data, eval, collectives, options);
}

}  // namespace

std::vector<ZeroShotOutcome> gather_outcomes(const std::vector<ZeroShotOutcome>& own,
                                             const Collectives& collectives) {
  static_assert(sizeof(ZeroShotOutcome) == 2 * sizeof(std::int32_t));
  if (collectives.world_size() == 1) return own;
  std::vector<ZeroShotOutcome> copy = own;
  const at::Tensor own_n2 =
      at::from_blob(copy.data(), {std::ssize(copy), 2}, at::TensorOptions().dtype(at::kInt));
  const at::Tensor all_N2 = collectives.gather_rows(own_n2).rows_ND.contiguous();
  const auto* numbers = all_N2.const_data_ptr<std::int32_t>();
  std::vector<ZeroShotOutcome> all;
  for (std::int64_t row = 0; row < all_N2.size(0); ++row, numbers += 2)
    all.push_back({numbers[0], numbers[1]});
  return all;
}

std::vector<SuiteMetric> accuracies(const std::string& prefix, std::span<const ZeroShotOutcome> outcomes,
                                    std::int64_t num_classes, const BootstrapOptions& options) {
  constexpr std::int32_t kTop = 5;
  std::vector<SuiteMetric> metrics =
      with_intervals({{prefix + "acc1", fraction_below(outcomes, 1)},
                      {prefix + "acc5", fraction_below(outcomes, kTop)},
                      {prefix + "mean_per_class_recall", mean_recall_of_classes(outcomes)}},
                     options);
  if (num_classes < kTop)
    metrics[1] = {.name = metrics[1].name, .value = std::numeric_limits<double>::quiet_NaN()};
  return metrics;
}

SuiteMeasures measure_retrieval(std::span<const PairFeatures> own, const Collectives& collectives,
                                const BootstrapOptions& options) {
  const RetrievalRanks ranks = checked_retrieval_ranks(own, collectives);
  const std::vector<std::int64_t> image_of_text = images_of_texts(own, collectives);
  const std::int64_t num_images = ranks.image_N.size(0);
  std::vector<std::pair<std::string, SampleRatios>> named;
  for (const std::int64_t k : {1, 5, 10}) {
    named.emplace_back(fmt::format("image_retrieval_recall@{}", k),
                       fraction_of_texts_below(ranks.text_M, image_of_text, num_images, k));
    named.emplace_back(fmt::format("text_retrieval_recall@{}", k),
                       fraction_of_images_below(ranks.image_N, k));
  }
  SuiteMeasures measures{.metrics = with_intervals(std::move(named), options)};
  const RetrievalMetrics all = metrics_of(ranks);
  measures.details = {{"num_samples", static_cast<double>(num_images)},
                      {"num_texts", static_cast<double>(ranks.text_M.size(0))},
                      {"image_retrieval_median_rank", all.text_to_image.median_rank},
                      {"text_retrieval_median_rank", all.image_to_text.median_rank}};
  return measures;
}

SuiteMeasures measure_probe(SuiteTask task, const ProbeData& data, const SuiteSettings& eval,
                            const Collectives& collectives, const BootstrapOptions& options) {
  SuiteMeasures measures = measure(task, data, eval, collectives, options);
  measures.details.insert(
      measures.details.end(),
      {{"num_samples", static_cast<double>(num_rows_of_all(data.test, collectives))},
       {"num_train_samples", static_cast<double>(num_rows_of_all(data.train, collectives))},
       {"num_classes", static_cast<double>(data.class_names.size())}});
  return measures;
}

}  // namespace cloob
