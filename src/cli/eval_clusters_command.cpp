// cloob eval clusters

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/connect_ranks.h"
#include "cli/enum_option.h"
#include "cli/model_arguments.h"
#include "cli/output_file.h"
#include "cli/seed_option.h"
#include "cli/usage.h"
#include "cloob/base/json.h"
#include "cloob/device/device.h"
#include "cloob/eval/clusters.h"

namespace cloob {
namespace {

struct ClustersArguments {
  ModelArguments model;
  std::string data;
  std::string split = "test";
  std::optional<std::int64_t> clusters;
  ClusterOptions options;
  FeatureStage features = FeatureStage::unit;
  std::string json;
  std::vector<std::string> settings;  // --data.max_bad_share VALUE ...
  std::string agreement;              // of the ranks
};

int eval_clusters(const ClustersArguments& arguments, Ranks& ranks) {
  const Collectives& collectives = connect_ranks(ranks, select_device(arguments.model.device), RankTimeouts(),
                                                 arguments.agreement, arguments.model.threads);
  collectives.announce(RankActivity::evaluation);
  if (collectives.rank() == 0) {
    require_output(arguments.json, OutputKind::json,
                   {arguments.model.checkpoint, arguments.data + "/*.txt", arguments.data + "/*/*"});
  }
  OpenedModel opened = open_model(arguments.model, "eval", collectives);
  const std::int64_t threads = opened.options.data.threads;
  opened.options.data = read_image_settings(parse_overrides(arguments.settings));
  if (opened.options.data.threads == 0) opened.options.data.threads = threads;
  const auto source = open_labeled_source(arguments.data, arguments.split, threads);
  const std::vector<std::string> names = class_names_of(*source);
  ClusterOptions options = arguments.options;
  options.clusters = num_clusters_of(arguments.clusters, std::ssize(names), source->size(), arguments.data);
  const auto parts =
      encode_labeled(opened.encoder, source, match_classes(names, names, arguments.data, arguments.data),
                     arguments.features, opened.options, collectives);
  opened.display->finish();
  const ClusterMetrics metrics = measure_clusters(parts, options, collectives);
  auto json = parse_json<nlohmann::ordered_json>(to_json(named_numbers(metrics)));
  json["num_classes"] = names.size();
  json["features"] = enum_name(arguments.features);
  json["iterations"] = options.iterations;
  json["restarts"] = options.restarts;
  json["seed"] = options.seed;
  if (arguments.features == FeatureStage::unit) add_refinement(json, opened);
  if (collectives.rank() == 0) write_result(arguments.json, json.dump());
  return 0;
}

}  // namespace

void add_eval_clusters(CLI::App& group, Action& action, Ranks& ranks) {
  CLI::App* const command = group.add_subcommand(
      "clusters", "Clusters of images by K-means of their features: how far they agree with classes");
  const auto arguments = std::make_shared<ClustersArguments>();
  add_model_arguments(*command, arguments->model);
  add_refinement_options(*command, arguments->model);
  command
      ->add_option("--data", arguments->data,
                   "Images: a folder with one subfolder per class, or a clip-benchmark folder")
      ->required();
  command->add_option("--split", arguments->split, "Split of a clip-benchmark folder")->capture_default_str();
  const CLI::Range counts(std::int64_t{1}, std::int64_t{1'000'000'000});
  command->add_option("--clusters", arguments->clusters, "Clusters (default: as many as classes)")
      ->check(counts);
  add_enum_option<FeatureStage>(
      *command, "--features", arguments->features,
      "Features: L2-normalized, raw before that, or of the tower before its projection");
  command->add_option("--iterations", arguments->options.iterations, "Iterations of K-means, at most")
      ->capture_default_str()
      ->check(counts);
  command
      ->add_option("--restarts", arguments->options.restarts,
                   "Starts of K-means, of which the best one counts")
      ->capture_default_str()
      ->check(counts);
  add_seed_option(*command, arguments->options.seed, "Seed of K-means");
  add_json_option(*command, arguments->json);
  command->allow_extras();
  command->footer("--data.max_bad_share VALUE changes how many images may be unusable (default: 1 in 100).");
  command->callback([arguments, command, &action, &ranks] {
    arguments->settings = command->remaining();
    arguments->agreement = agreement_of(*command);
    action = [arguments, command, &ranks] {
      reject_misspelled_options(*command);
      return eval_clusters(*arguments, ranks);
    };
  });
}

}  // namespace cloob
