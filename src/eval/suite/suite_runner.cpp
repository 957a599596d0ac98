// Shapes: B images of a batch, K classes, D features.
#include "cloob/eval/suite/suite_runner.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/base/timer.h"
#include "cloob/eval/evaluate.h"
#include "eval/classes.h"
#include "eval/suite/growing_parts.h"
#include "eval/suite/suite_measures.h"

namespace cloob {
namespace {

bool contains(const std::vector<SuiteTask>& tasks, SuiteTask task) {
  return std::ranges::find(tasks, task) != tasks.end();
}

std::string names_of(const std::vector<SuiteTask>& tasks) {
  std::vector<std::string> names;
  for (const SuiteTask task : tasks) names.emplace_back(enum_name(task));
  return join(names, ", ");
}

// The labels of a batch, after a check of its features.
std::vector<std::int64_t> labels_of(const ImageFeatures& batch, const LabeledSource& source,
                                    const ZeroShotPrompts& prompts) {
  std::vector<std::int64_t> labels;
  for (const std::int64_t index : batch.indices) labels.push_back(label_of(source, index, prompts));
  require_finite_images(batch, source);
  return labels;
}

// All images to learn from, whatever the maximum for those to test on.
GrowingParts encode_train(const FeatureEncoder& encoder, const SuiteSet& set, EncodeOptions options,
                          const Collectives& collectives) {
  options.max_samples = std::nullopt;
  ZeroShotPrompts classes;
  classes.class_names = set.train_names;
  classes.names_from = "the images to learn from";
  std::vector<std::int64_t> as_they_are(set.train_names.size());
  std::iota(as_they_are.begin(), as_they_are.end(), 0);
  GrowingParts train;
  encoder.encode_images(set.train, options, collectives, [&](ImageFeatures batch, std::int64_t part) {
    train.add(part, batch, options.more_stages, labels_of(batch, *set.train, classes), as_they_are);
  });
  return train;
}

BootstrapOptions bootstrap_of(const SuiteSettings& eval, std::int64_t threads) {
  return {.draws = eval.bootstrap_draws,
          .confidence = eval.confidence,
          .seed = static_cast<std::uint64_t>(eval.seed),
          .threads = threads};
}

// What rank 0 reads is what all ranks go by.
std::optional<std::string> text_of_rank_0(const Collectives& collectives,
                                          const std::function<std::optional<std::string>()>& read) {
  std::string answer;
  do_on_first_rank(collectives, [&] {
    if (const auto text = read()) answer = "=" + *text;
  });
  answer = broadcast_text(collectives, answer);
  return answer.empty() ? std::nullopt : std::optional(answer.substr(1));
}

}  // namespace

SuiteRunner::SuiteRunner(SuiteModel model, const FeatureEncoder& encoder, EncodeOptions options,
                         SuiteOutput output, const Collectives& collectives)
    : model_(std::move(model)),
      encoder_(encoder),
      options_(std::move(options)),
      output_(std::move(output)),
      collectives_(collectives) {}

std::string SuiteRunner::settings_of(const SuiteSet& set, SuiteTask task) const {
  return settings_of_result(model_, set, task, output_.eval, std::string(enum_name(options_.precision)));
}

std::filesystem::path SuiteRunner::file_of(const SuiteSet& set, SuiteTask task) const {
  return output_.folder / result_file_name(model_.name, set.name, task);
}

std::optional<SuiteResult> SuiteRunner::finished(const SuiteSet& set, SuiteTask task) const {
  const std::filesystem::path file = file_of(set, task);
  const std::string settings = settings_of(set, task);
  const auto text = text_of_rank_0(collectives_, [&]() -> std::optional<std::string> {
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) return std::nullopt;
    std::string json = read_result_file(file);
    if (parse_result(json, settings)) return json;
    log_info("eval", "'{}' is of other weights, settings or data: measured anew", file.string());
    return std::nullopt;
  });
  return text ? parse_result(*text, settings) : std::nullopt;
}

SuiteOutcome SuiteRunner::run(const SuiteSet& set) {
  SuiteOutcome outcome;
  std::vector<SuiteTask> pending;
  std::map<SuiteTask, SuiteResult> by_task;
  for (const SuiteTask task : set.tasks) {
    try {
      if (auto result = finished(set, task)) {
        by_task.emplace(task, *std::move(result));
      } else {
        pending.push_back(task);
      }
    } catch (const UserError& error) {  // its file is none of a suite; the same on all ranks
      outcome.failures.push_back(fmt::format("{}: {}", enum_name(task), error.what()));
    }
  }
  if (!by_task.empty() && collectives_.rank() == 0) {
    log_info("eval", "{}, {}: {} of {} results are in '{}' already, with the same weights and settings",
             model_.name, set.name, by_task.size(), set.tasks.size(), output_.folder.string());
  }
  if (!pending.empty()) {
    const Timer timer;
    const Measured measured_of_set = measure(set, pending);
    const double seconds = timer.seconds();
    if (collectives_.rank() == 0) {
      const std::int64_t images = set.source().size() + (set.train ? set.train->size() : 0);
      log_info("eval", "{}, {}: {} in {}", model_.name, set.name, counted(images, "image"),
               human_seconds(seconds));
    }
    for (const auto& [task, measured] : measured_of_set.measures) {
      const std::string json =
          result_json(model_, set, task, measured, settings_of(set, task), output_.eval.confidence, seconds);
      do_on_first_rank(collectives_, [&] { write_file_atomically(file_of(set, task), json); });
      by_task[task] = {.model = model_.name,
                       .architecture = model_.architecture,
                       .set = set.name,
                       .task = task,
                       .metrics = measured.metrics,
                       .was_finished = false,
                       .seconds = seconds};
    }
    for (const auto& [task, mistake] : measured_of_set.mistakes)
      outcome.failures.push_back(fmt::format("{}: {}", enum_name(task), mistake));
  }
  for (const SuiteTask task : set.tasks) {
    if (const auto found = by_task.find(task); found != by_task.end())
      outcome.results.push_back(found->second);
  }
  return outcome;
}

SuiteRunner::Measured SuiteRunner::measure(const SuiteSet& set, const std::vector<SuiteTask>& tasks) {
  if (collectives_.rank() == 0) log_info("eval", "{}, {}: {}", model_.name, set.name, names_of(tasks));
  EncodeOptions options = options_;
  const std::int64_t threads = options.data.threads;
  options.data = set.config.data;
  if (options.data.threads == 0) options.data.threads = threads;
  options.max_samples = set.config.max_samples;
  if (set.classes) return measure_classes(set, tasks, options);
  const std::vector<PairFeatures> pairs =
      encode_pairs(encoder_, set.pairs, set.config.captions, options, collectives_);
  const BootstrapOptions bootstrap = bootstrap_of(output_.eval, options.data.threads);
  return {.measures = {{SuiteTask::retrieval, measure_retrieval(pairs, collectives_, bootstrap)}}};
}

SuiteRunner::Measured SuiteRunner::measure_classes(const SuiteSet& set, const std::vector<SuiteTask>& tasks,
                                                   const EncodeOptions& options) {
  const auto num_classes = std::ssize(set.prompts.class_names);
  EncodeOptions at_stages = options;
  for (const SuiteTask task : tasks) {
    if (needs_training(task)) at_stages.more_stages.insert(set.stage_of(task));
  }
  std::optional<ZeroShotMeter> meter;
  at::Tensor classifier_KD;
  if (contains(tasks, SuiteTask::zero_shot)) {
    classifier_KD = classifier_of(set.prompts);
    meter.emplace(num_classes);
  }
  GrowingParts test;
  encoder_.encode_images(set.classes, at_stages, collectives_, [&](ImageFeatures batch, std::int64_t part) {
    const std::vector<std::int64_t> labels = labels_of(batch, *set.classes, set.prompts);
    if (meter) meter->add_images(batch.features.unit_BD, classifier_KD, labels);
    test.add(part, batch, at_stages.more_stages, labels, set.train_class);
  });
  Measured measured;
  if (meter) {
    const std::vector<ZeroShotOutcome> outcomes = gather_outcomes(meter->outcomes(), collectives_);
    measured.measures[SuiteTask::zero_shot] = {
        .metrics = accuracies("", outcomes, num_classes, bootstrap_of(output_.eval, options.data.threads)),
        .details = {{"num_samples", static_cast<double>(outcomes.size())},
                    {"num_classes", static_cast<double>(num_classes)}}};
  }
  if (!at_stages.more_stages.empty()) {
    try {
      GrowingParts train = encode_train(encoder_, set, at_stages, collectives_);
      add_probes(measured, set, tasks, at_stages, train, test);
    } catch (const UserError& error) {
      for (const SuiteTask task : tasks) {
        if (needs_training(task)) measured.mistakes[task] = error.what();
      }
    }
  }
  return measured;
}

// One stage after the other, so that only the features of one are held twice.
void SuiteRunner::add_probes(Measured& measured, const SuiteSet& set, const std::vector<SuiteTask>& tasks,
                             const EncodeOptions& options, GrowingParts& train, GrowingParts& test) {
  const BootstrapOptions bootstrap = bootstrap_of(output_.eval, options.data.threads);
  for (const FeatureStage stage : options.more_stages) {
    const ProbeData data = {
        .train = train.take(stage), .test = test.take(stage), .class_names = set.train_names};
    for (const SuiteTask task : tasks) {
      if (!needs_training(task) || set.stage_of(task) != stage) continue;
      try {
        measured.measures[task] = measure_probe(task, data, output_.eval, collectives_, bootstrap);
      } catch (const UserError& error) {
        measured.mistakes[task] = error.what();  // it is about the data of all ranks, and the same on all
      }
    }
  }
}

const at::Tensor& SuiteRunner::classifier_of(const ZeroShotPrompts& prompts) {
  const std::string key = join(prompts.class_names, "\n") + "\n\n" + join(prompts.templates, "\n");
  const auto found = classifiers_.find(key);
  if (found != classifiers_.end()) return found->second;
  constexpr std::int64_t kMinTexts = 256;  // texts are small
  EncodeOptions options = options_;
  options.batch_size = std::max(options.batch_size, kMinTexts);
  return classifiers_.emplace(key, encode_classes(encoder_, prompts, options, collectives_)).first->second;
}

}  // namespace cloob
