// cloob eval retrieval|features|loss|zero-shot; the suite is in eval_suite_command.cpp

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/connect_ranks.h"
#include "cli/data_settings.h"
#include "cli/enum_option.h"
#include "cli/model_arguments.h"
#include "cli/output_file.h"
#include "cli/usage.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/named_path.h"
#include "cloob/device/device.h"
#include "cloob/eval/suite.h"
#include "cloob/report/named_numbers.h"

namespace cloob {
namespace {

constexpr const char* kLabel = "eval";

struct PairArguments {
  ModelArguments model;
  std::vector<std::string> data;
  std::string image_root;
  EvalCaptions captions = EvalCaptions::all;
  std::optional<std::int64_t> loss_batch_size;
  std::string json;
  std::vector<std::string> settings;  // --data.section.key VALUE ...
  std::string agreement;              // of the ranks
};

const Collectives& connect(Ranks& ranks, const ModelArguments& model, const std::string& agreement) {
  const Collectives& collectives =
      connect_ranks(ranks, select_device(model.device), RankTimeouts(), agreement, model.threads);
  collectives.announce(RankActivity::evaluation);
  return collectives;
}

// On rank 0, which alone writes.
void write_on_rank_0(const Collectives& collectives, const std::string& output, const std::string& json) {
  if (collectives.rank() == 0) write_result(output, json);
}

nlohmann::ordered_json with_refinement(const std::string& numbers, const OpenedModel& opened) {
  auto json = parse_json<nlohmann::ordered_json>(numbers);
  add_refinement(json, opened);
  return json;
}

void require_output_of(const PairArguments& arguments) {
  std::vector<std::string> inputs = inputs_of_sources(arguments.data);
  inputs.push_back(arguments.model.checkpoint);
  require_output(arguments.json, OutputKind::json, inputs);
}

std::shared_ptr<const Source> open_pairs(const PairArguments& arguments, DataConfig& data) {
  data = read_data_settings({arguments.data, arguments.image_root, data.threads, arguments.settings});
  auto source = make_source(data, data.val, Purpose::evaluation);
  if (const std::int64_t captions = unused_captions(data, *source); captions > 0)
    log_warning("eval", "{}", advice_on_unused(captions));
  return source;
}

int eval_retrieval(const PairArguments& arguments, Ranks& ranks) {
  const Collectives& collectives = connect(ranks, arguments.model, arguments.agreement);
  if (collectives.rank() == 0) require_output_of(arguments);
  OpenedModel opened = open_model(arguments.model, kLabel, collectives);
  const auto evaluation =
      make_pair_evaluation(open_pairs(arguments, opened.options.data), {.captions = arguments.captions});
  const NamedNumbers numbers = evaluation->run(opened.encoder, opened.options, collectives);
  opened.display->finish();
  write_on_rank_0(collectives, arguments.json, with_refinement(to_json(numbers), opened).dump());
  return 0;
}

int eval_features(const PairArguments& arguments, Ranks& ranks) {
  const Collectives& collectives = connect(ranks, arguments.model, arguments.agreement);
  if (collectives.rank() == 0) require_output_of(arguments);
  OpenedModel opened = open_model(arguments.model, kLabel, collectives);
  const auto evaluation = make_pair_evaluation(
      open_pairs(arguments, opened.options.data),
      {.captions = EvalCaptions::first, .measures_retrieval = false, .measures_features = true});
  const NamedNumbers numbers = evaluation->run(opened.encoder, opened.options, collectives);
  opened.display->finish();
  write_on_rank_0(collectives, arguments.json, with_refinement(to_json(numbers), opened).dump());
  return 0;
}

int eval_loss(const PairArguments& arguments, Ranks& ranks) {
  const Collectives& collectives = connect(ranks, arguments.model, arguments.agreement);
  if (collectives.rank() == 0) require_output_of(arguments);
  OpenedModel opened = open_model(arguments.model, kLabel, collectives);
  require_task_state(opened.loaded);
  if (!opened.loaded.knows_objective) {
    log_warning(
        "eval",
        "'{}' does not say with which objective it was trained: this is the loss of {}; a checkpoint knows "
        "its own",
        arguments.model.checkpoint, opened.encoder.model().loss_name());
  }
  const auto evaluation = make_pair_evaluation(
      open_pairs(arguments, opened.options.data),
      {.captions = EvalCaptions::first,
       .measures_retrieval = false,
       .loss_batch_size = arguments.loss_batch_size.value_or(opened.loaded.config.eval.loss_batch_size)});
  const NamedNumbers numbers = evaluation->run(opened.encoder, opened.options, collectives);
  opened.display->finish();
  nlohmann::ordered_json json = {{"objective", opened.encoder.model().loss_name()}};
  json.update(with_refinement(to_json(numbers), opened));
  write_on_rank_0(collectives, arguments.json, json.dump());
  return 0;
}

struct ZeroShotArguments {
  ModelArguments model;
  std::vector<std::string> data;
  std::string split = "test";
  std::string class_names;
  std::string templates;
  std::string seen;
  std::string json;
  std::vector<std::string> settings;  // --data.max_bad_share VALUE ...
  std::string agreement;              // of the ranks
};

std::optional<std::string> if_set(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

std::vector<NamedPath> sets_of(const ZeroShotArguments& arguments) {
  EvalConfig eval;
  eval.zero_shot = arguments.data;
  eval.validate();
  std::vector<NamedPath> sets;
  for (const std::string& text : arguments.data) sets.push_back(named_path(text));
  return sets;
}

void require_output_of(const ZeroShotArguments& arguments, const std::vector<NamedPath>& sets) {
  std::vector<std::string> inputs = {arguments.model.checkpoint, arguments.class_names, arguments.templates,
                                     arguments.seen};
  for (const NamedPath& set : sets)
    inputs.insert(inputs.end(), {set.path + "/*.txt", set.path + "/*.json", set.path + "/*/*"});
  require_output(arguments.json, OutputKind::json, inputs);
}

struct OpenedSet {
  std::string name;
  std::shared_ptr<const LabeledSource> source;
  ZeroShotPrompts prompts;
};

OpenedSet open_set(const NamedPath& set, const ZeroShotArguments& arguments, std::int64_t threads) {
  const auto source = open_labeled_source(set.path, arguments.split, threads);
  ZeroShotPrompts prompts =
      zero_shot_prompts(*source, if_set(arguments.class_names), if_set(arguments.templates));
  if (!arguments.seen.empty()) set_seen_classes(prompts, arguments.seen);
  log_info("eval", "{}: {}", set.name, describe(prompts));
  return {set.name, source, std::move(prompts)};
}

nlohmann::ordered_json eval_set(const OpenedSet& set, const OpenedModel& opened,
                                const Collectives& collectives) {
  const NamedNumbers numbers =
      make_zero_shot_evaluation(set.source, set.prompts)->run(opened.encoder, opened.options, collectives);
  opened.display->finish();
  auto json = with_refinement(to_json(numbers), opened);
  log_info("eval", "{}: acc1 {:.4g}", set.name, json["acc1"].get<double>());
  json["class_names_from"] = set.prompts.names_from;
  json["class_names"] = set.prompts.class_names;
  if (!set.prompts.class_folders.empty()) json["class_folders"] = set.prompts.class_folders;
  if (!set.prompts.seen_from.empty()) json["seen_from"] = set.prompts.seen_from;
  json["templates_from"] = set.prompts.templates_from;
  json["templates"] = set.prompts.templates;
  return json;
}

// One set gives an object with its numbers, several one with an object for each. All are opened before the first is
// evaluated, which may take an hour.
int eval_zero_shot(const ZeroShotArguments& arguments, Ranks& ranks) {
  const std::vector<NamedPath> sets = sets_of(arguments);
  const Collectives& collectives = connect(ranks, arguments.model, arguments.agreement);
  if (collectives.rank() == 0) require_output_of(arguments, sets);
  OpenedModel opened = open_model(arguments.model, kLabel, collectives);
  const std::int64_t threads = opened.options.data.threads;
  opened.options.data = read_image_settings(parse_overrides(arguments.settings));
  if (opened.options.data.threads == 0) opened.options.data.threads = threads;
  std::vector<OpenedSet> all;
  for (const NamedPath& set : sets) all.push_back(open_set(set, arguments, opened.options.data.threads));
  nlohmann::ordered_json results;
  for (const OpenedSet& set : all) results[set.name] = eval_set(set, opened, collectives);
  write_on_rank_0(collectives, arguments.json, (sets.size() == 1 ? results.front() : results).dump());
  return 0;
}

void add_pair_options(CLI::App& command, PairArguments& arguments) {
  add_model_arguments(command, arguments.model);
  add_refinement_options(command, arguments.model);
  command.add_option("--data", arguments.data, "Table (.csv, .tsv) or tar shards")->required();
  command.add_option("--image-root", arguments.image_root, "Folder that image paths of a table start from");
  add_json_option(command, arguments.json);
  command.allow_extras();
  command.footer(
      "--data.section.key VALUE sets any setting of the section data, for example "
      "--data.webdataset.json_caption_field captions.");
}

}  // namespace

void add_eval_commands(CLI::App& app, Action& action, Ranks& ranks) {
  CLI::App* const group = app.add_subcommand("eval", "Evaluate a checkpoint or a weights file");
  group->require_subcommand(1);

  CLI::App* const retrieval = group->add_subcommand("retrieval", "Image-text retrieval in both directions");
  const auto pairs = std::make_shared<PairArguments>();
  add_pair_options(*retrieval, *pairs);
  add_enum_option<EvalCaptions>(*retrieval, "--captions", pairs->captions,
                                "Which captions of an image to use");
  retrieval->callback([pairs, retrieval, &action, &ranks] {
    pairs->settings = retrieval->remaining();
    pairs->agreement = agreement_of(*retrieval);
    action = [pairs, retrieval, &ranks] {
      reject_misspelled_options(*retrieval);
      return eval_retrieval(*pairs, ranks);
    };
  });

  CLI::App* const features = group->add_subcommand(
      "features", "What the features of pairs are like: spectrum, alignment, uniformity, modality gap");
  const auto feature_pairs = std::make_shared<PairArguments>();
  add_pair_options(*features, *feature_pairs);
  features->callback([feature_pairs, features, &action, &ranks] {
    feature_pairs->settings = features->remaining();
    feature_pairs->agreement = agreement_of(*features);
    action = [feature_pairs, features, &ranks] {
      reject_misspelled_options(*features);
      return eval_features(*feature_pairs, ranks);
    };
  });

  CLI::App* const loss = group->add_subcommand("loss", "Validation loss at a fixed batch size");
  const auto loss_pairs = std::make_shared<PairArguments>();
  add_pair_options(*loss, *loss_pairs);
  loss->add_option(
          "--loss-batch-size", loss_pairs->loss_batch_size,
          "Pairs per batch; only losses at the same value are comparable (default: eval.loss_batch_size of "
          "the run)")
      ->check(CLI::Range(2, 1'000'000));
  loss->callback([loss_pairs, loss, &action, &ranks] {
    loss_pairs->settings = loss->remaining();
    loss_pairs->agreement = agreement_of(*loss);
    action = [loss_pairs, loss, &ranks] {
      reject_misspelled_options(*loss);
      return eval_loss(*loss_pairs, ranks);
    };
  });

  add_eval_probe_commands(*group, action, ranks);
  add_eval_clusters(*group, action, ranks);

  CLI::App* const zero_shot = group->add_subcommand("zero-shot", "Zero-shot classification");
  const auto classes = std::make_shared<ZeroShotArguments>();
  add_model_arguments(*zero_shot, classes->model);
  add_refinement_options(*zero_shot, classes->model);
  zero_shot
      ->add_option("--data", classes->data,
                   "Folders with one subfolder of images per class, clip-benchmark folders, CUB_200_2011 or "
                   "stanford_cars, as PATH or NAME=PATH")
      ->required();
  zero_shot->add_option("--split", classes->split, "Split of a folder that has splits")
      ->capture_default_str();
  zero_shot->add_option(
      "--classnames", classes->class_names,
      "File with one name per line, JSON file, or name of a clip-benchmark data set such as imagenet1k");
  zero_shot->add_option("--templates", classes->templates,
                        "Prompt templates with {c}, given like the class names");
  zero_shot->add_option(
      "--seen", classes->seen,
      "Names of the classes that training had, given like the class names: measures the accuracy "
      "of these, of the others, and the harmonic mean (default: seen_names.txt of the data, if there "
      "is one)");
  add_json_option(*zero_shot, classes->json);
  zero_shot->allow_extras();
  zero_shot->footer(
      "--data.max_bad_share VALUE changes how many images may be unusable (default: 1 in 100).");
  zero_shot->callback([classes, zero_shot, &action, &ranks] {
    classes->settings = zero_shot->remaining();
    classes->agreement = agreement_of(*zero_shot);
    action = [classes, zero_shot, &ranks] {
      reject_misspelled_options(*zero_shot);
      return eval_zero_shot(*classes, ranks);
    };
  });

  add_eval_suite(*group, action, ranks);
}

}  // namespace cloob
