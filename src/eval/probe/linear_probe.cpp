#include "cloob/eval/probe/linear_probe.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "eval/probe/class_places.h"
#include "eval/probe/logistic_regression.h"

namespace cloob {
namespace {

// Weights need not be known exactly to compare accuracies, and with a large C separable classes never are.
constexpr LogisticFitOptions kSweepOptions = {.tolerance = 1e-3, .max_iterations = 200};

// Values of the regulariser, by number: 1e-6, ..., 1e6, with 8 a decade.
constexpr std::int64_t kPerDecade = 8, kNumValues = 12 * kPerDecade + 1, kFirstStep = 2 * kPerDecade;
double value_of_c(std::int64_t number) {
  return std::pow(10.0, static_cast<double>(number) / static_cast<double>(kPerDecade) - 6);
}

/// The search for the regulariser; fits start from the weights of the nearest value that was tried.
class Sweep {
 public:
  Sweep(const std::vector<LabeledPart>& train, const std::vector<LabeledPart>& validation,
        std::int64_t num_classes, const Collectives& collectives, const TakeTriedC& take)
      : regression_(train, num_classes, collectives),
        validation_(validation),
        collectives_(collectives),
        take_(take) {}

  void run() {
    for (std::int64_t number = 0; number < kNumValues; number += kFirstStep) try_value(number);
    for (std::int64_t step = kFirstStep / 2; step >= 1; step /= 2) {
      const std::int64_t center = best();
      for (const std::int64_t number : {center - step, center + step}) {
        if (number >= 0 && number < kNumValues) try_value(number);
      }
    }
  }
  std::int64_t best() const {
    return std::ranges::max_element(tried_, {}, [](const auto& entry) { return entry.second.acc1; })->first;
  }
  double best_acc1() const { return tried_.at(best()).acc1; }
  const at::Tensor& best_weights() const { return tried_.at(best()).weight_KE; }
  std::int64_t num_fits() const { return std::ssize(tried_); }

 private:
  struct Tried {
    double acc1 = 0;
    at::Tensor weight_KE;
  };

  void try_value(std::int64_t number) {
    const auto distance = [&](const auto& entry) { return std::abs(entry.first - number); };
    const auto nearest = std::ranges::min_element(tried_, {}, distance);
    const LogisticFit fit = regression_.fit(
        value_of_c(number), nearest == tried_.end() ? regression_.zeros() : nearest->second.weight_KE,
        kSweepOptions);
    const double acc1 = metrics_of(regression_.classifier(fit), validation_, collectives_).acc1;
    if (take_) take_(value_of_c(number), acc1, fit.iterations);
    tried_[number] = {acc1, fit.weight_KE};
  }

  LogisticRegression regression_;
  const std::vector<LabeledPart>& validation_;
  const Collectives& collectives_;
  const TakeTriedC& take_;
  std::map<std::int64_t, Tried> tried_;  // by number
};

}  // namespace

at::Tensor LinearClassifier::scores(const at::Tensor& features_BD) const {
  return at::addmm(bias_K, features_BD.to(weight_KD.scalar_type()), weight_KD.t());
}

void LinearClassifier::classify(const std::vector<LabeledPart>& own, ZeroShotMeter& meter) const {
  for (const LabeledPart& part : own) meter.add(scores(part.features_BD), part.labels);
}

ZeroShotMetrics metrics_of(const LinearClassifier& classifier, const std::vector<LabeledPart>& own,
                           const Collectives& collectives) {
  ZeroShotMeter meter(classifier.weight_KD.size(0));
  classifier.classify(own, meter);
  meter.add_other_ranks(collectives);
  return meter.metrics();
}

LogisticProbe fit_logistic_probe(const std::vector<LabeledPart>& own, std::int64_t num_classes,
                                 std::optional<double> c, const Collectives& collectives,
                                 const TakeTriedC& take_tried) {
  LogisticProbe probe;
  at::Tensor start_KE;
  if (!c) {
    const ClassPlaces places = class_places(own, num_classes, collectives);
    if (std::ranges::max(places.rows_of_class) < 2) {
      throw_user_error(
          "no class has two images to train on, so none can be kept for the choice of C: give more images, or a C, such as "
          "{}",
          kDefaultC);
    }
    const auto is_kept = [](std::int64_t, std::int64_t place) { return place % 5 == 1; };
    const auto train = select_rows(
        own, places, [&](std::int64_t label, std::int64_t place) { return !is_kept(label, place); });
    const auto validation = select_rows(own, places, is_kept);
    Sweep sweep(train, validation, num_classes, collectives, take_tried);
    sweep.run();
    c = value_of_c(sweep.best());
    probe.validation_acc1 = sweep.best_acc1();
    probe.num_fits = sweep.num_fits();
    start_KE = sweep.best_weights();
  }
  const LogisticRegression regression(own, num_classes, collectives);
  const LogisticFit fit = regression.fit(*c, start_KE.defined() ? start_KE : regression.zeros(), {});
  probe.classifier = regression.classifier(fit);
  probe.c = *c;
  ++probe.num_fits;
  probe.iterations = fit.iterations;
  probe.converged = fit.converged;
  if (!probe.converged && collectives.rank() == 0) {
    log_warning(
        "eval",
        "the logistic regression has not converged with C {:.3g} after {} iterations: give a smaller C, or "
        "features of another stage",
        probe.c, probe.iterations);
  }
  return probe;
}

}  // namespace cloob
