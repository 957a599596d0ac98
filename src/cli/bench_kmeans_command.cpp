// cloob bench kmeans

#include <ATen/core/Tensor.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cli/output_file.h"
#include "cli/seed_option.h"
#include "cloob/base/error.h"
#include "cloob/base/timer.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/cluster/kmeans.h"
#include "cloob/device/device.h"
#include "cloob/objective/loss_benchmark.h"
#include "cloob/report/named_numbers.h"

namespace cloob {
namespace {

struct KMeansArguments {
  KMeansOptions options = {.clusters = 2000};
  std::int64_t samples = 20'000;
  std::int64_t dim = 128;
  std::int64_t seed = 0;
  std::string features;
  std::int64_t threads = 0;
  DeviceChoice device = DeviceChoice::auto_;
  std::string json;
};

at::Tensor read_samples(const std::string& path) {
  const NamedTensors tensors =
      read_safetensors(path, [](std::string_view name) { return name == "features"; });
  if (!tensors.contains("features")) throw_user_error("'{}' has no tensor 'features'", path);
  const at::Tensor samples_ND = tensors.at("features");
  if (samples_ND.dim() != 2 || samples_ND.size(1) == 0 || !samples_ND.is_floating_point())
    throw_user_error("'{}': 'features' must be a matrix of floating-point numbers, a row for each sample",
                     path);
  if (!samples_ND.isfinite().all().item<bool>())
    throw_user_error("'{}': 'features' has NaN or infinite numbers", path);
  return samples_ND;
}

int bench_kmeans(const KMeansArguments& arguments) {
  require_output(arguments.json, OutputKind::json, {arguments.features});
  if (arguments.threads > 0) set_num_threads(arguments.threads);
  const c10::Device device = select_device(arguments.device);
  const at::Tensor samples_ND =
      (arguments.features.empty() ? random_unit_features(arguments.samples, arguments.dim,
                                                         static_cast<std::uint64_t>(arguments.seed))
                                        .image_ND
                                  : read_samples(arguments.features))
          .to(device);
  std::int64_t iterations = 0;
  KMeansOptions options = arguments.options;
  options.between_iterations = [&] { ++iterations; };
  const Timer timer;
  const KMeansResult result = kmeans(samples_ND, options, SingleProcess());
  const double seconds = timer.seconds();
  write_result(arguments.json,
               to_json({{"seconds", seconds},
                        {"objective", result.objectives.back()},
                        {"samples_s", static_cast<double>(samples_ND.size(0) * iterations) / seconds},
                        {"iterations", static_cast<double>(iterations)}}));
  return 0;
}

}  // namespace

void add_bench_kmeans(CLI::App& group, Action& action) {
  CLI::App* const command = group.add_subcommand("kmeans", "K-means of features: time and objective");
  const auto arguments = std::make_shared<KMeansArguments>();
  KMeansOptions& options = arguments->options;
  const auto count = [&](const std::string& name, std::int64_t& number, const std::string& help) {
    return command->add_option(name, number, help)
        ->capture_default_str()
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}));
  };
  CLI::Option* const features = command->add_option("--features", arguments->features,
                                                    "File whose tensor 'features' has a row for each sample");
  count("--samples", arguments->samples, "Rows of random features")->excludes(features);
  count("--dim", arguments->dim, "Columns of random features")->excludes(features);
  add_seed_option(*command, arguments->seed, "Seed of random features")->excludes(features);
  count("--clusters", options.clusters, "Clusters");
  count("--iterations", options.iterations, "Iterations, unless the objective no longer changes");
  count("--restarts", options.restarts, "Starts, of which the best one counts");
  command->add_flag("--spherical", options.spherical, "Centroids of length 1");
  command->add_option("--threads", arguments->threads, "CPU threads; 0 means all cores")
      ->capture_default_str()
      ->check(CLI::Range(0, 4096));
  add_enum_option<DeviceChoice>(*command, "--device", arguments->device, "train.device");
  add_json_option(*command, arguments->json);
  command->callback([arguments, &action] { action = [arguments] { return bench_kmeans(*arguments); }; });
}

}  // namespace cloob
