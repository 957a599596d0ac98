// Shapes: N chosen rows of all ranks, D features.
#include <ATen/TensorOperators.h>
#include <ATen/ceil_div.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <set>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/random.h"
#include "cloob/base/slice.h"
#include "cloob/base/text.h"
#include "cloob/eval/probe/linear_probe.h"
#include "eval/probe/class_places.h"
#include "eval/probe/logistic_regression.h"

namespace cloob {
namespace {

// `shots` of the numbers below `count`, each set equally likely (Floyd's algorithm).
std::set<std::int64_t> draw_places(std::int64_t shots, std::int64_t count, RandomStream& random) {
  std::set<std::int64_t> drawn;
  for (std::int64_t last = count - shots; last < count; ++last) {
    const auto place = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(last) + 1));
    if (!drawn.insert(place).second) drawn.insert(last);
  }
  return drawn;
}

// The chosen rows of all ranks, of which each rank then takes some: their parts lie on few ranks, and are small.
std::vector<LabeledPart> share_evenly(const std::vector<LabeledPart>& own, const Collectives& collectives) {
  constexpr std::int64_t kRows = 64;
  std::vector<at::Tensor> blocks = {at::empty({0, dim_of_all(own, collectives)}, at::kFloat)};
  std::vector<std::int64_t> labels;
  for (const LabeledPart& part : own) {
    blocks.push_back(part.features_BD);
    labels.insert(labels.end(), part.labels.begin(), part.labels.end());
  }
  const at::Tensor features_ND = collectives.gather_rows(at::cat(blocks)).rows_ND;
  const at::Tensor label_N = collectives.gather_rows(at::tensor(labels, at::kLong)).rows_ND.contiguous();
  const std::int64_t count = features_ND.size(0);
  const Slice mine = slice_of(at::ceil_div(count, kRows), collectives.rank(), collectives.world_size());
  std::vector<LabeledPart> parts;
  for (std::int64_t block = mine.first; block < mine.first + mine.count; ++block) {
    const std::int64_t first = block * kRows, size = std::min(kRows, count - first);
    const auto* label = label_N.const_data_ptr<std::int64_t>() + first;
    parts.push_back({features_ND.narrow(0, first, size), {label, label + size}});
  }
  return parts;
}

}  // namespace

std::vector<LinearClassifier> fit_few_shot_probes(const std::vector<LabeledPart>& own,
                                                  const std::vector<std::string>& class_names,
                                                  const FewShotOptions& options,
                                                  const Collectives& collectives) {
  const auto num_classes = std::ssize(class_names);
  const ClassPlaces places = class_places(own, num_classes, collectives);
  for (std::size_t label = 0; label < class_names.size(); ++label) {
    if (places.rows_of_class[label] >= options.shots) continue;
    throw_user_error(
        "the class '{}' has {} to train on, fewer than the {} that are to be drawn from each class",
        class_names[label], counted(places.rows_of_class[label], "usable image"), options.shots);
  }
  std::vector<LinearClassifier> classifiers;
  std::int64_t num_unfinished = 0;
  for (std::int64_t draw = 0; draw < options.draws; ++draw) {
    std::vector<std::set<std::int64_t>> chosen;
    for (std::int64_t label = 0; label < num_classes; ++label) {
      RandomStream random(RandomUse::resampling, {options.seed, static_cast<std::uint64_t>(draw),
                                                  static_cast<std::uint64_t>(label)});
      chosen.push_back(
          draw_places(options.shots, places.rows_of_class[static_cast<std::size_t>(label)], random));
    }
    const auto is_chosen = [&](std::int64_t label, std::int64_t place) {
      return chosen[static_cast<std::size_t>(label)].contains(place);
    };
    const std::vector<LabeledPart> parts = share_evenly(select_rows(own, places, is_chosen), collectives);
    const LogisticRegression regression(parts, num_classes, collectives);
    const LogisticFit fit = regression.fit(options.c, regression.zeros(), {});
    if (!fit.converged) ++num_unfinished;
    classifiers.push_back(regression.classifier(fit));
  }
  if (num_unfinished > 0 && collectives.rank() == 0) {
    log_warning("eval", "{} of the {} logistic regressions have not converged: give a smaller C",
                num_unfinished, options.draws);
  }
  return classifiers;
}

}  // namespace cloob
