// cloob train

#include <ATen/Parallel.h>
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/memory.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "cloob/nn/device.h"
#include "cloob/train/dry_run.h"
#include "cloob/train/resume.h"
#include "cloob/train/run_config.h"
#include "cloob/train/run_directory.h"
#include "cloob/train/trainer.h"

namespace cloob {
namespace {

struct TrainArguments {
  std::string config;
  std::string run_dir;
  std::string resume = "none";
  bool overwrite = false;
  bool dry_run = false;
  std::int64_t profile_steps = 0;
};

// "configs/run/flickr8k_small.yaml" -> "runs/flickr8k_small"
std::filesystem::path default_run_dir(const std::string& config_file) {
  return std::filesystem::path("runs") / std::filesystem::path(config_file).stem();
}

// From here on the run's config.yaml and its checkpoints name the precision.
void pick_precision(TrainConfig& config) {
  if (config.precision) return;
  config.precision = precision_of(config);
  log_info("train", "train.precision is not set: taking {}, the fastest here", enum_name(*config.precision));
}

int train(const TrainArguments& arguments, const std::vector<std::string>& rest) {
  ConfigSource source = ConfigSource::from_file(arguments.config);
  source.add_overrides(parse_overrides(rest));
  Origins origins;
  RunConfig config = read_config<RunConfig>(source, origins);
  warn_without_effect(settings_without_effect(config, origins));
  if (config.train.threads > 0) at::set_num_threads(static_cast<int>(config.train.threads));
  if (arguments.dry_run) {
    pick_precision(config.train);
    fmt::print("{}", describe_run(config, origins));
    return 0;
  }
  allow_tf32(config.train.tf32);
  keep_freed_memory();
  const auto path = arguments.run_dir.empty() ? default_run_dir(arguments.config)
                                              : std::filesystem::path(arguments.run_dir);
  const RunDirectory directory(path);
  const ResumePlan plan = plan_resume(directory, arguments.resume, arguments.overwrite);
  const std::optional<Checkpoint> checkpoint = load_checkpoint_to_resume(plan, config);
  pick_precision(config.train);
  log_info("train", "the run folder is {}", path.string());
  Trainer trainer(config, directory, plan.existing, checkpoint);
  if (arguments.profile_steps > 0) trainer.profile_steps(arguments.profile_steps);
  const RunResult result = trainer.run();
  if (result.stop_signal != 0) {
    log_info("train", "stopped after step {}; go on with --resume auto", with_thousands(result.steps));
    return 128 + result.stop_signal;
  }
  log_info("train", "finished after {} steps", with_thousands(result.steps));
  return 0;
}

}  // namespace

void add_train_command(CLI::App& app, Action& action) {
  CLI::App* const command = app.add_subcommand("train", "Train a model as a YAML file says");
  const auto arguments = std::make_shared<TrainArguments>();
  command
      ->add_option("config", arguments->config,
                   "YAML file of the run, for example configs/run/flickr8k_small.yaml")
      ->required();
  command->add_option("--run-dir", arguments->run_dir,
                      "Folder of the run (runs/NAME OF THE FILE when not given)");
  command
      ->add_option(
          "--resume", arguments->resume,
          "none; auto goes on with the run folder's newest checkpoint and starts where there is none; PATH "
          "goes on from that checkpoint, of this run or in a new run folder")
      ->capture_default_str();
  command->add_flag("--overwrite", arguments->overwrite,
                    "Remove the run that the run folder holds, and start again");
  command->add_flag("--dry-run", arguments->dry_run,
                    "Print all settings with their origin, parameters, FLOPs and memory, and train nothing");
  command
      ->add_option(
          "--profile", arguments->profile_steps,
          "Profile this many steps after the first three: print what they spend their time on and write "
          "trace.json into the run folder, for chrome://tracing")
      ->check(CLI::Range(1, 1000));
  command->allow_extras();
  command->footer("--section.key VALUE sets any setting of the file; 'cloob config docs' lists them.");
  command->callback([command, arguments, &action] {
    action = [command, arguments] { return train(*arguments, command->remaining()); };
  });
}

}  // namespace cloob
