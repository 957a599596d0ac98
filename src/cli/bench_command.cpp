// cloob bench loss

#include <ATen/core/Tensor.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cloob/base/error.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/objective/loss_benchmark.h"
#include "cloob/report/named_numbers.h"

namespace cloob {
namespace {

struct LossArguments {
  ObjectiveSystem objective = ObjectiveSystem::clip;
  std::string features;
  std::int64_t batch = 1024;
  std::int64_t dim = 512;
  std::int64_t seed = 0;
  double beta = RetrievalConfig{}.beta;
  double inv_tau = LossConfig{}.inv_tau;
  std::string json = "-";
};

RandomFeatures read_features(const std::string& path) {
  const NamedTensors tensors = read_safetensors(path).tensors;
  for (const char* name : {"image_features", "text_features"}) {
    if (!tensors.contains(name)) {
      throw_user_error("'{}' has no tensor '{}': 'cloob encode' writes such files", path, name);
    }
  }
  return {tensors.at("image_features"), tensors.at("text_features")};
}

int bench_loss(const LossArguments& arguments) {
  require_json_destination(arguments.json);
  const RandomFeatures features =
      arguments.features.empty()
          ? random_unit_features(arguments.batch, arguments.dim, static_cast<std::uint64_t>(arguments.seed))
          : read_features(arguments.features);
  const LossBenchmarkResult result = benchmark_loss(
      {arguments.objective, features.image_ND, features.text_ND, arguments.beta, arguments.inv_tau});
  write_json_line(arguments.json, to_json({{"loss", result.loss},
                                           {"grad_norm_image", result.grad_norm_image},
                                           {"grad_norm_text", result.grad_norm_text},
                                           {"seconds", result.seconds},
                                           {"peak_gib", result.peak_gib}}));
  return 0;
}

}  // namespace

void add_bench_commands(CLI::App& app, Action& action) {
  CLI::App* const group = app.add_subcommand("bench", "Measure parts of the program");
  group->require_subcommand(1);
  CLI::App* const command =
      group->add_subcommand("loss", "One objective: value, gradient norms, time and memory");
  const auto arguments = std::make_shared<LossArguments>();
  add_enum_option<ObjectiveSystem>(*command, "--objective", arguments->objective,
                                   "A corner of the grid of objectives")
      ->required();
  CLI::Option* const features =
      command->add_option("--features", arguments->features, "Features as 'cloob encode' writes them");
  command->add_option("--batch", arguments->batch, "Rows of random features")
      ->capture_default_str()
      ->excludes(features)
      ->check(CLI::Range(std::int64_t{2}, std::int64_t{1'000'000'000}));
  command->add_option("--dim", arguments->dim, "Columns of random features")
      ->capture_default_str()
      ->excludes(features)
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--seed", arguments->seed, "Seed of random features")
      ->capture_default_str()
      ->excludes(features);
  command->add_option("--beta", arguments->beta, "Inverse temperature of the retrieval")
      ->capture_default_str()
      ->check(CLI::Range(1e-6, 1e6));
  command->add_option("--inv-tau", arguments->inv_tau, "Inverse temperature of the loss")
      ->capture_default_str()
      ->check(CLI::Range(1e-6, 1e6));
  command->add_option("--json", arguments->json, "Where the result goes; - is standard output")
      ->capture_default_str();
  command->callback([arguments, &action] { action = [arguments] { return bench_loss(*arguments); }; });
}

}  // namespace cloob
