// cloob eval linear-probe|knn|few-shot

#include <CLI/CLI.hpp>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/connect_ranks.h"
#include "cli/enum_option.h"
#include "cli/model_arguments.h"
#include "cli/output_file.h"
#include "cli/seed_option.h"
#include "cli/usage.h"
#include "cloob/base/error.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/device/device.h"
#include "cloob/eval/probe/labeled_features.h"
#include "cloob/eval/probe/linear_probe.h"
#include "cloob/eval/probe/nearest_neighbors.h"
#include "cloob/eval/zero_shot_metrics.h"

namespace cloob {
namespace {

using ProbeJson = nlohmann::ordered_json;

struct ProbeArguments {
  ModelArguments model;
  std::string train, test;
  std::string train_split = "train", test_split = "test";
  FeatureStage features = FeatureStage::tower;
  std::string json;
  std::vector<std::string> settings;  // --data.max_bad_share VALUE ...
  std::string agreement;              // of the ranks
};

/// Features of both data sets, on this rank, with the classes numbered as in the one to train on.
struct ProbeFeatures {
  std::vector<std::string> class_names;
  std::vector<LabeledPart> train, test;

  std::int64_t num_classes() const { return std::ssize(class_names); }
};

struct OpenedProbe {
  const Collectives& collectives;
  OpenedModel model;
  ProbeFeatures features;
};

// Both are opened before the first is encoded, which may take an hour.
ProbeFeatures encode_both(const ProbeArguments& arguments, const OpenedModel& opened,
                          const Collectives& collectives) {
  const std::int64_t threads = opened.options.data.threads;
  const auto train = open_labeled_source(arguments.train, arguments.train_split, threads);
  const auto test = open_labeled_source(arguments.test, arguments.test_split, threads);
  if (collectives.rank() == 0 &&
      are_same_images(arguments.train, arguments.train_split, arguments.test, arguments.test_split)) {
    log_warning("eval",
                "'{}' is both to learn from and to test on: the result says how well images are remembered",
                arguments.train);
  }
  ProbeFeatures features{.class_names = class_names_of(*train), .train = {}, .test = {}};
  if (features.num_classes() < 2)
    throw_user_error("'{}' has a single class: there is nothing to tell apart", arguments.train);
  const auto test_classes =
      match_classes(features.class_names, class_names_of(*test), arguments.train, arguments.test);
  const auto train_classes =
      match_classes(features.class_names, features.class_names, arguments.train, arguments.train);
  features.train =
      encode_labeled(opened.encoder, train, train_classes, arguments.features, opened.options, collectives);
  features.test =
      encode_labeled(opened.encoder, test, test_classes, arguments.features, opened.options, collectives);
  opened.display->finish();
  return features;
}

OpenedProbe open_probe(const ProbeArguments& arguments, Ranks& ranks) {
  const Collectives& collectives = connect_ranks(ranks, select_device(arguments.model.device), RankTimeouts(),
                                                 arguments.agreement, arguments.model.threads);
  collectives.announce(RankActivity::evaluation);
  if (collectives.rank() == 0) {
    std::vector<std::string> inputs = {arguments.model.checkpoint};
    for (const std::string& path : {arguments.train, arguments.test})
      inputs.insert(inputs.end(), {path + "/*.txt", path + "/*/*"});
    require_output(arguments.json, OutputKind::json, inputs);
  }
  OpenedModel model = open_model(arguments.model, "eval", collectives);
  if (model.loaded.is_refined() && arguments.features != FeatureStage::unit) {
    log_warning(
        "eval",
        "--features {} are those before the refinement with the memory, which does not change them: refined are "
        "--features unit",
        enum_name(arguments.features));
  }
  const std::int64_t threads = model.options.data.threads;
  model.options.data = read_image_settings(parse_overrides(arguments.settings));
  if (model.options.data.threads == 0) model.options.data.threads = threads;
  ProbeFeatures features = encode_both(arguments, model, collectives);
  return {collectives, std::move(model), std::move(features)};
}

// What every result says about its data.
void describe_data(ProbeJson& json, const ProbeArguments& arguments, const OpenedProbe& opened) {
  json["features"] = enum_name(arguments.features);
  json["num_train"] = num_rows_of_all(opened.features.train, opened.collectives);
  json["num_samples"] = num_rows_of_all(opened.features.test, opened.collectives);
  json["num_classes"] = opened.features.num_classes();
}

void write_probe(const ProbeArguments& arguments, const OpenedProbe& opened, ProbeJson json) {
  describe_data(json, arguments, opened);
  if (arguments.features == FeatureStage::unit) add_refinement(json, opened.model);
  if (opened.collectives.rank() == 0) write_result(arguments.json, json.dump());
}

ProbeJson optional_json(const std::optional<double>& number) {
  return number ? ProbeJson(*number) : ProbeJson(nullptr);
}

ProbeJson linear_json(const ZeroShotMetrics& metrics) {
  return {{"lp_acc1", metrics.acc1},
          {"lp_acc5", optional_json(metrics.acc5)},
          {"lp_mean_per_class_recall", metrics.mean_per_class_recall}};
}

struct LinearProbeArguments : ProbeArguments {
  ProbeMethod method = ProbeMethod::logistic;
  std::optional<double> c;
  SgdProbeOptions sgd;
  bool keeps_order = false;
};

ProbeJson eval_logistic(const LinearProbeArguments& arguments, const OpenedProbe& opened) {
  const ProbeFeatures& features = opened.features;
  const auto log_tried = [&](double c, double acc1, std::int64_t iterations) {
    if (opened.collectives.rank() != 0) return;
    log_info("eval", "linear probe: C {:.3g} gives acc1 {:.4f} on the validation part, after {} iterations",
             c, acc1, iterations);
  };
  const LogisticProbe probe =
      fit_logistic_probe(features.train, features.num_classes(), arguments.c, opened.collectives, log_tried);
  ProbeJson json = linear_json(metrics_of(probe.classifier, features.test, opened.collectives));
  json["c"] = probe.c;
  json["validation_acc1"] = optional_json(probe.validation_acc1);
  json["fits"] = probe.num_fits;
  json["iterations"] = probe.iterations;
  return json;
}

ProbeJson eval_sgd(const LinearProbeArguments& arguments, const OpenedProbe& opened) {
  const ProbeFeatures& features = opened.features;
  SgdProbeOptions options = arguments.sgd;
  options.shuffles = !arguments.keeps_order;
  const std::int64_t dim = dim_of_all(features.train, opened.collectives);
  ZeroShotMetrics last;
  double best = 0;
  const auto measure = [&](std::int64_t, const LinearClassifier& classifier) {
    last = metrics_of(classifier, features.test, opened.collectives);
    best = std::max(best, last.acc1);
  };
  fit_sgd_probe(features.train, initial_sgd_probe(features.num_classes(), dim, options.seed), options,
                opened.collectives, measure);
  ProbeJson json = linear_json(last);
  json["lp_best_acc1"] = best;  // over the epochs, on the test set: what ProtoCLIP reports
  json["c"] = nullptr;
  json["epochs"] = options.epochs;
  json["order"] = options.shuffles ? "shuffled" : "stored";
  json["seed"] = options.seed;
  return json;
}

int eval_linear_probe(const LinearProbeArguments& arguments, Ranks& ranks) {
  if (arguments.method == ProbeMethod::sgd && arguments.c)
    throw_user_error("--c is for --method logistic: sgd has a fixed weight decay");
  if (arguments.method == ProbeMethod::logistic && arguments.keeps_order)
    throw_user_error("--keep-order is for --method sgd");
  const OpenedProbe opened = open_probe(arguments, ranks);
  ProbeJson json = arguments.method == ProbeMethod::logistic ? eval_logistic(arguments, opened)
                                                             : eval_sgd(arguments, opened);
  json["method"] = enum_name(arguments.method);
  write_probe(arguments, opened, std::move(json));
  return 0;
}

struct NeighborArguments : ProbeArguments {
  NeighborOptions options;
};

int eval_neighbors(const NeighborArguments& arguments, Ranks& ranks) {
  const OpenedProbe opened = open_probe(arguments, ranks);
  const ProbeFeatures& features = opened.features;
  NeighborMeters meters = measure_neighbors(features.train, features.test, features.num_classes(),
                                            arguments.options, opened.collectives);
  meters.weighted.add_other_ranks(opened.collectives);
  meters.plain.add_other_ranks(opened.collectives);
  const ZeroShotMetrics metrics = meters.weighted.metrics();
  write_probe(arguments, opened,
              {{"knn_acc1", metrics.acc1},
               {"knn_mean_per_class_recall", metrics.mean_per_class_recall},
               {"knn_plain_acc1", meters.plain.metrics().acc1},
               {"k", arguments.options.k},
               {"temperature", arguments.options.temperature}});
  return 0;
}

struct FewShotArguments : ProbeArguments {
  FewShotOptions options;
};

int eval_few_shot(const FewShotArguments& arguments, Ranks& ranks) {
  const OpenedProbe opened = open_probe(arguments, ranks);
  std::vector<double> accuracies;
  double sum = 0, squares = 0;
  for (const LinearClassifier& classifier : fit_few_shot_probes(
           opened.features.train, opened.features.class_names, arguments.options, opened.collectives)) {
    accuracies.push_back(metrics_of(classifier, opened.features.test, opened.collectives).acc1);
    sum += accuracies.back();
  }
  const auto draws = static_cast<double>(accuracies.size());
  for (const double accuracy : accuracies) squares += std::pow(accuracy - sum / draws, 2);
  ProbeJson json = {{"few_shot_acc1", sum / draws}};
  json["few_shot_acc1_std"] =
      optional_json(draws > 1 ? std::optional(std::sqrt(squares / (draws - 1))) : std::nullopt);
  json["few_shot_acc1_of_draws"] = accuracies;
  json["shots"] = arguments.options.shots;
  json["draws"] = arguments.options.draws;
  json["seed"] = arguments.options.seed;
  json["c"] = arguments.options.c;
  write_probe(arguments, opened, std::move(json));
  return 0;
}

void add_probe_options(CLI::App& command, ProbeArguments& arguments) {
  add_model_arguments(command, arguments.model);
  add_refinement_options(command, arguments.model);
  command
      .add_option("--train", arguments.train,
                  "Images to learn from: a folder with one subfolder per class, or a clip-benchmark folder")
      ->required();
  command
      .add_option("--test", arguments.test,
                  "Images to test on, with the same classes; may be the same folder of shards")
      ->required();
  command
      .add_option("--train-split", arguments.train_split, "Split of a clip-benchmark folder to learn from")
      ->capture_default_str();
  command.add_option("--test-split", arguments.test_split, "Split of a clip-benchmark folder to test on")
      ->capture_default_str();
  add_enum_option<FeatureStage>(
      command, "--features", arguments.features,
      "Features: L2-normalized, raw before that, or of the tower before its projection");
  add_json_option(command, arguments.json);
  command.allow_extras();
  command.footer("--data.max_bad_share VALUE changes how many images may be unusable (default: 1 in 100).");
}

template <class Arguments>
void set_probe_callback(CLI::App& command, const std::shared_ptr<Arguments>& arguments, Action& action,
                        Ranks& ranks, int (*run)(const Arguments&, Ranks&)) {
  command.callback([arguments, &command, &action, &ranks, run] {
    arguments->settings = command.remaining();
    arguments->agreement = agreement_of(command);
    action = [arguments, &command, &ranks, run] {
      reject_misspelled_options(command);
      return run(*arguments, ranks);
    };
  });
}

// CLI::Range prints the lower bound as 0.
CLI::Validator regulariser_range() {
  const auto check = [](const std::string& text) -> std::string {
    double c = 0;
    if (CLI::detail::lexical_cast(text, c) && c >= 1e-9 && c <= 1e9) return "";
    return text + " is not a number from 1e-9 to 1e9";
  };
  return CLI::Validator(check, "", "");
}

void add_linear_probe(CLI::App& group, Action& action, Ranks& ranks) {
  CLI::App* const command =
      group.add_subcommand("linear-probe", "A linear classifier, trained on features of images with classes");
  const auto arguments = std::make_shared<LinearProbeArguments>();
  add_probe_options(*command, *arguments);
  add_enum_option<ProbeMethod>(*command, "--method", arguments->method,
                               "logistic: L-BFGS to the minimum, as CLIP; sgd: 100 epochs, as ProtoCLIP");
  command
      ->add_option(
          "--c", arguments->c,
          "Inverse strength of the regulariser of logistic (default: chosen from 1e-6 to 1e6 on a fifth of the "
          "images to learn from)")
      ->check(regulariser_range());
  add_seed_option(*command, arguments->sgd.seed, "Seed of sgd");
  command->add_flag("--keep-order", arguments->keeps_order,
                    "sgd in the order of the images, which ProtoCLIP does not shuffle");
  set_probe_callback(*command, arguments, action, ranks, eval_linear_probe);
}

void add_neighbors(CLI::App& group, Action& action, Ranks& ranks) {
  CLI::App* const command =
      group.add_subcommand("knn", "Classification by the classes of the nearest images to learn from");
  const auto arguments = std::make_shared<NeighborArguments>();
  arguments->features = FeatureStage::unit;
  add_probe_options(*command, *arguments);
  command->add_option("--k", arguments->options.k, "Neighbors that vote")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  command
      ->add_option("--temperature", arguments->options.temperature,
                   "A neighbor has the weight exp(cosine / temperature)")
      ->capture_default_str()
      ->check(CLI::Range(1e-4, 1e4));
  set_probe_callback(*command, arguments, action, ranks, eval_neighbors);
}

void add_few_shot(CLI::App& group, Action& action, Ranks& ranks) {
  CLI::App* const command = group.add_subcommand(
      "few-shot", "Logistic regression on a few images of each class, for several random choices of them");
  const auto arguments = std::make_shared<FewShotArguments>();
  add_probe_options(*command, *arguments);
  command->add_option("--shots", arguments->options.shots, "Images of each class to learn from")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--draws", arguments->options.draws, "Random choices of them")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  add_seed_option(*command, arguments->options.seed, "Seed of the choices");
  command->add_option("--c", arguments->options.c, "Inverse strength of the regulariser")
      ->capture_default_str()
      ->check(regulariser_range());
  set_probe_callback(*command, arguments, action, ranks, eval_few_shot);
}

}  // namespace

void add_eval_probe_commands(CLI::App& group, Action& action, Ranks& ranks) {
  add_linear_probe(group, action, ranks);
  add_neighbors(group, action, ranks);
  add_few_shot(group, action, ranks);
}

}  // namespace cloob
