// cloob bench loss

#include <ATen/core/Tensor.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cli/output_file.h"
#include "cli/seed_option.h"
#include "cloob/base/error.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/device/device.h"
#include "cloob/objective/loss_benchmark.h"
#include "cloob/report/named_numbers.h"

namespace cloob {
namespace {

struct LossArguments {
  std::optional<ObjectiveSystem> objective;  // always set when the command runs
  std::string features;
  std::int64_t batch = 1024;
  std::int64_t dim = 512;
  std::int64_t seed = 0;
  double beta = RetrievalConfig{}.beta;
  double inv_tau = LossConfig{}.inv_tau;
  double logit_bias = LossConfig{}.logit_bias;
  DeviceChoice device = DeviceChoice::auto_;
  std::string json;
};

RandomFeatures read_features(const std::string& path) {
  const NamedTensors tensors = read_safetensors(path).tensors;
  for (const char* name : {"image_features", "text_features"}) {
    if (!tensors.contains(name)) {
      throw_user_error("'{}' has no tensor '{}': it must be a file written by 'cloob encode'", path, name);
    }
  }
  return {tensors.at("image_features"), tensors.at("text_features")};
}

int bench_loss(const LossArguments& arguments) {
  require_output(arguments.json, OutputKind::json, {arguments.features});
  const RandomFeatures features =
      arguments.features.empty()
          ? random_unit_features(arguments.batch, arguments.dim, static_cast<std::uint64_t>(arguments.seed))
          : read_features(arguments.features);
  const c10::Device device = select_device(arguments.device);
  const LossBenchmarkResult result =
      benchmark_loss({arguments.objective.value(), features.image_ND.to(device), features.text_ND.to(device),
                      arguments.beta, arguments.inv_tau, arguments.logit_bias});
  write_result(arguments.json, to_json({{"loss", result.loss},
                                        {"grad_norm_image", result.grad_norm_image},
                                        {"grad_norm_text", result.grad_norm_text},
                                        {"seconds", result.seconds},
                                        {"peak_gib", result.peak_gib}}));
  return 0;
}

}  // namespace

void add_bench_loss(CLI::App& group, Action& action) {
  CLI::App* const command =
      group.add_subcommand("loss", "One objective: value, gradient norms, time and memory");
  const auto arguments = std::make_shared<LossArguments>();
  add_enum_option<ObjectiveSystem>(*command, "--objective", arguments->objective,
                                   "Cell of the grid of losses and retrievals")
      ->required();
  CLI::Option* const features =
      command->add_option("--features", arguments->features, "File of features written by 'cloob encode'");
  command->add_option("--batch", arguments->batch, "Rows of random features")
      ->capture_default_str()
      ->excludes(features)
      ->check(CLI::Range(std::int64_t{2}, std::int64_t{1'000'000'000}));
  command->add_option("--dim", arguments->dim, "Columns of random features")
      ->capture_default_str()
      ->excludes(features)
      ->check(CLI::Range(1, 1'000'000));
  add_seed_option(*command, arguments->seed, "Seed of random features")->excludes(features);
  command->add_option("--beta", arguments->beta, "Inverse temperature of the retrieval")
      ->capture_default_str()
      ->check(CLI::Range(1e-6, 1e6));
  command->add_option("--inv-tau", arguments->inv_tau, "Inverse temperature of the loss")
      ->capture_default_str()
      ->check(CLI::Range(1e-6, 1e6));
  command->add_option("--logit-bias", arguments->logit_bias, "Bias of the sigmoid loss")
      ->capture_default_str()
      ->check(CLI::Range(-1e6, 1e6));
  add_enum_option<DeviceChoice>(*command, "--device", arguments->device, "train.device");
  add_json_option(*command, arguments->json);
  command->callback([arguments, &action] { action = [arguments] { return bench_loss(*arguments); }; });
}

}  // namespace cloob
