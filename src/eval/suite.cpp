#include "cloob/eval/suite.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/named_path.h"
#include "cloob/base/text.h"
#include "cloob/base/timer.h"
#include "cloob/data/bad_samples.h"
#include "cloob/eval/clusters.h"
#include "cloob/eval/feature_measures.h"
#include "cloob/eval/probe/labeled_features.h"
#include "cloob/eval/probe/linear_probe.h"
#include "cloob/eval/retrieval_metrics.h"

namespace cloob {
namespace {

constexpr const char* kSeconds = "seconds";

std::vector<std::string> names_of(const NamedNumbers& numbers) {
  std::vector<std::string> names;
  for (const auto& [name, value] : numbers) names.push_back(name);
  return names;
}

void append(NamedNumbers& all, const NamedNumbers& more) { all.insert(all.end(), more.begin(), more.end()); }

// Counts describe the data and do not change during training, so they are not logged as metrics.
bool is_metric(const std::string& name) { return !name.starts_with("num_") && name != "loss_batch_size"; }

std::string metric_name(const SuiteEntry& entry, const std::string& name) {
  return name == kSeconds ? fmt::format("val/{}_{}", entry.name, kSeconds) : entry.prefix + name;
}

class PairEvaluation final : public Evaluation {
 public:
  PairEvaluation(std::shared_ptr<const Source> source, const PairEvaluationOptions& options)
      : source_(std::move(source)), options_(options) {}

  std::vector<std::string> metric_names() const override {
    NamedNumbers numbers;
    if (options_.loss_batch_size) append(numbers, named_numbers(LossResult{}));
    if (options_.measures_retrieval) append(numbers, named_numbers(RetrievalMetrics{}));
    if (options_.measures_features) append(numbers, named_numbers(FeatureMeasures{}));
    return names_of(numbers);
  }
  NamedNumbers run(const FeatureEncoder& encoder, const EncodeOptions& options,
                   const Collectives& collectives) const override {
    const std::vector<PairFeatures> pairs =
        encode_pairs(encoder, source_, options_.captions, options, collectives);
    NamedNumbers numbers;
    if (options_.loss_batch_size) {
      append(numbers,
             named_numbers(evaluate_loss(pairs, encoder.model(), *options_.loss_batch_size, collectives)));
    }
    if (options_.measures_retrieval) append(numbers, named_numbers(retrieval_metrics(pairs, collectives)));
    if (options_.measures_features) append(numbers, named_numbers(measure_features(pairs, collectives)));
    return numbers;
  }

 private:
  std::shared_ptr<const Source> source_;
  PairEvaluationOptions options_;
};

class ZeroShotEvaluation final : public Evaluation {
 public:
  ZeroShotEvaluation(std::shared_ptr<const LabeledSource> source, ZeroShotPrompts prompts)
      : source_(std::move(source)), prompts_(std::move(prompts)) {}

  std::vector<std::string> metric_names() const override {
    ZeroShotMetrics metrics;
    if (!prompts_.is_seen.empty()) metrics.seen_unseen.emplace();
    return names_of(named(metrics));
  }
  NamedNumbers run(const FeatureEncoder& encoder, const EncodeOptions& options,
                   const Collectives& collectives) const override {
    return named(evaluate_zero_shot(encoder, source_, prompts_, options, collectives));
  }

 private:
  NamedNumbers named(const ZeroShotMetrics& metrics) const {
    NamedNumbers numbers = named_numbers(metrics);
    numbers.emplace_back("num_classes", static_cast<double>(prompts_.class_names.size()));
    return numbers;
  }

  std::shared_ptr<const LabeledSource> source_;
  ZeroShotPrompts prompts_;
};

// Reads no more labels than there are classes, and one.
bool has_two_of_a_class(const LabeledSource& source) {
  std::set<std::int64_t> seen;
  for (std::int64_t index = 0; index < source.size(); ++index) {
    try {
      if (!seen.insert(source.label(index)).second) return true;
    } catch (const BadSample&) {  // counted when it is encoded
    }
  }
  return false;
}

// As `cloob eval linear-probe` with its defaults.
class LinearProbeEvaluation final : public Evaluation {
 public:
  LinearProbeEvaluation(const std::string& name, const LinearProbeConfig& config, std::int64_t threads)
      : train_(open_labeled_source(config.train, kTrainSplit, threads)),
        test_(open_labeled_source(config.test, kTestSplit, threads)),
        class_names_(class_names_of(*train_)),
        train_classes_(match_classes(class_names_, class_names_, config.train, config.train)),
        test_classes_(match_classes(class_names_, class_names_of(*test_), config.train, config.test)),
        stage_(config.features) {
    if (class_names_.size() < 2)
      throw_user_error("'{}' has a single class: there is nothing to tell apart", config.train);
    if (are_same_images(config.train, kTrainSplit, config.test, kTestSplit)) {
      throw_user_error(
          "eval.linear_probe.{}: '{}' is both to learn from and to test on: name other images for one of them",
          name, config.train);
    }
    if (!has_two_of_a_class(*train_)) {
      throw_user_error(
          "eval.linear_probe.{}: no class of '{}' has two images to learn from, so none can be kept for the choice of C: "
          "name a folder with more",
          name, config.train);
    }
  }

  std::vector<std::string> metric_names() const override { return names_of(named({}, {}, 0)); }
  NamedNumbers run(const FeatureEncoder& encoder, const EncodeOptions& options,
                   const Collectives& collectives) const override {
    EncodeOptions all = options;
    all.max_samples = std::nullopt;
    const auto train = encode_labeled(encoder, train_, train_classes_, stage_, all, collectives);
    const auto test = encode_labeled(encoder, test_, test_classes_, stage_, options, collectives);
    const LogisticProbe probe =
        fit_logistic_probe(train, std::ssize(class_names_), /*c=*/std::nullopt, collectives);
    return named(metrics_of(probe.classifier, test, collectives), probe, num_rows_of_all(train, collectives));
  }

 private:
  static constexpr const char* kTrainSplit = "train";
  static constexpr const char* kTestSplit = "test";

  NamedNumbers named(const ZeroShotMetrics& metrics, const LogisticProbe& probe,
                     std::int64_t num_train) const {
    return {{"lp_acc1", metrics.acc1},
            {"lp_mean_per_class_recall", metrics.mean_per_class_recall},
            {"lp_c", probe.c},
            {"num_train", static_cast<double>(num_train)},
            {"num_samples", static_cast<double>(metrics.num_samples)},
            {"num_classes", static_cast<double>(class_names_.size())}};
  }

  std::shared_ptr<const LabeledSource> train_, test_;
  std::vector<std::string> class_names_;
  std::vector<std::int64_t> train_classes_, test_classes_;  // the class of each label
  FeatureStage stage_;
};

void require_known_names(const EvalConfig& eval, const std::vector<SuiteEntry>& entries) {
  std::vector<std::string> names;
  for (const SuiteEntry& entry : entries) names.push_back(entry.name);
  for (const auto& [name, schedule] : eval.evaluations) {
    if (std::ranges::find(names, name) != names.end()) continue;
    throw_user_error("eval.evaluations.{} matches no evaluation{}; the evaluations are {}", name,
                     suggestion(name, names),
                     names.empty() ? "none: set data.val, eval.zero_shot, eval.linear_probe or eval.clusters"
                                   : join(names, ", "));
  }
}

}  // namespace

std::unique_ptr<Evaluation> make_pair_evaluation(std::shared_ptr<const Source> source,
                                                 const PairEvaluationOptions& options) {
  return std::make_unique<PairEvaluation>(std::move(source), options);
}

std::unique_ptr<Evaluation> make_zero_shot_evaluation(std::shared_ptr<const LabeledSource> source,
                                                      ZeroShotPrompts prompts) {
  return std::make_unique<ZeroShotEvaluation>(std::move(source), std::move(prompts));
}

EvaluationSuite::EvaluationSuite(std::vector<SuiteEntry> entries) : entries_(std::move(entries)) {}

std::vector<std::string> EvaluationSuite::metric_names() const {
  std::vector<std::string> names;
  for (const SuiteEntry& entry : entries_) {
    const EvaluationSchedule& schedule = entry.schedule;
    if (schedule.every_epochs == 0 && !schedule.every_steps && !schedule.at_end) continue;
    for (const std::string& name : entry.evaluation->metric_names()) {
      if (is_metric(name)) names.push_back(metric_name(entry, name));
    }
  }
  return names;
}

EvaluationResult EvaluationSuite::run(const SuiteEntry& entry, const FeatureEncoder& encoder,
                                      const EncodeOptions& options, const Collectives& collectives) const {
  EncodeOptions limited = options;
  limited.max_samples = entry.schedule.max_samples;
  const Timer timer;
  EvaluationResult result{
      .name = entry.name, .numbers = entry.evaluation->run(encoder, limited, collectives), .metrics = {}};
  result.seconds = timer.seconds();
  for (const auto& [name, value] : result.numbers) {
    if (is_metric(name)) result.metrics.emplace_back(metric_name(entry, name), value);
  }
  result.metrics.emplace_back(metric_name(entry, kSeconds), result.seconds);
  return result;
}

EvaluationSuite make_suite(const EvalConfig& eval, const DataConfig& data) {
  std::vector<SuiteEntry> entries;
  if (!data.val.empty()) {
    std::shared_ptr<const Evaluation> pairs = make_pair_evaluation(
        make_source(data, data.val, Purpose::evaluation),
        {.captions = eval.captions, .measures_features = true, .loss_batch_size = eval.loss_batch_size});
    entries.push_back({kPairEvaluation, "val/", std::move(pairs), schedule_of(eval, kPairEvaluation)});
  }
  for (const std::string& text : eval.zero_shot) {
    const auto [name, path] = named_path(text);
    const auto source = open_labeled_source(path, "test", data.threads);
    ZeroShotPrompts prompts = zero_shot_prompts(*source, eval.class_names, eval.templates);
    log_info("eval", "{}: {}", name, describe(prompts));
    std::shared_ptr<const Evaluation> classes = make_zero_shot_evaluation(source, std::move(prompts));
    entries.push_back({name, fmt::format("val/{}_", name), std::move(classes), schedule_of(eval, name)});
  }
  for (const auto& [name, config] : eval.linear_probe) {
    const auto probe = std::make_shared<LinearProbeEvaluation>(name, config, data.threads);
    entries.push_back({name, fmt::format("val/{}_", name), probe, schedule_of(eval, name)});
  }
  for (const auto& [name, config] : eval.clusters) {
    const EvaluationSchedule schedule = schedule_of(eval, name);
    entries.push_back({name, fmt::format("val/{}_", name),
                       make_clusters_evaluation(config, schedule.max_samples, data.threads), schedule});
  }
  require_known_names(eval, entries);
  return EvaluationSuite(std::move(entries));
}

}  // namespace cloob
