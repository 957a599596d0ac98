// cloob train

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/connect_ranks.h"
#include "cli/failure.h"
#include "cli/usage.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/memory.h"
#include "cloob/base/text.h"
#include "cloob/base/version.h"
#include "cloob/config/config.h"
#include "cloob/data/source_names.h"
#include "cloob/device/device.h"
#include "cloob/device/shared_machine.h"
#include "cloob/run/dry_run.h"
#include "cloob/run/model_file.h"
#include "cloob/run/run_config.h"
#include "cloob/run/run_directory.h"
#include "cloob/train/check_run.h"
#include "cloob/train/resume.h"
#include "cloob/train/time_estimate.h"
#include "cloob/train/trainer.h"

namespace cloob {
namespace {

struct TrainArguments {
  std::string command_line;
  std::string config;
  std::string model;
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

// The run's config.yaml and its checkpoints contain the chosen precision.
void pick_precision(TrainConfig& config) {
  if (config.precision) return;
  config.precision = precision_of(config);
  log_info("train", "train.precision is not set: taking {}, the fastest on this device",
           enum_name(*config.precision));
}

// The line with which the program ends belongs into the log as well.
RunResult run_logged(Trainer& trainer, std::optional<LogFile>& log_file) {
  try {
    return trainer.run();
  } catch (...) {
    if (log_file) log_file->write("error: " + describe_failure(std::current_exception()).message);
    throw;
  }
}

RankTimeouts timeouts_of(const RunConfig& config) {
  const auto seconds = [](std::int64_t number) { return std::chrono::seconds(number); };
  return {.start = seconds(config.distributed.start_timeout_seconds),
          .step = seconds(config.train.timeout_seconds)};
}

// What has to be the same on all ranks.
std::string agreement_of(const RunConfig& config) {
  return fmt::format("cloob {}\nprecision {}\n{}", kVersion, enum_name(precision_of(config.train)),
                     print_config(config));
}

// On rank 0, which alone writes.
std::unique_ptr<RunDirectory> claim_run_folder(const TrainArguments& arguments,
                                               const Collectives& collectives) {
  if (collectives.rank() > 0) return nullptr;
  const auto path = arguments.run_dir.empty() ? default_run_dir(arguments.config)
                                              : std::filesystem::path(arguments.run_dir);
  std::error_code ignored;
  const bool has_files = std::filesystem::exists(path, ignored) && !std::filesystem::is_empty(path, ignored);
  auto directory = std::make_unique<RunDirectory>(path);
  if (has_files && !directory->contains_run())
    log_warning("train", "'{}' contains other files: the run is written among them", path.string());
  log_info("train", "the run folder is {}", path.string());
  return directory;
}

RunConfig read_run(const TrainArguments& arguments, const std::vector<std::string>& rest, Origins& origins) {
  if (const auto format = format_by_name(arguments.config))
    throw_user_error("'{}' is {}: give a YAML file with settings, and this with --data.train",
                     arguments.config, *format == DataFormat::csv ? "a table" : "a shard");
  const bool has_model = !arguments.model.empty();
  const auto model = has_model ? find_model_file(arguments.model) : std::filesystem::path();
  ConfigSource source =
      has_model ? recipe_with_model(arguments.config, model) : ConfigSource::from_file(arguments.config);
  source.add_overrides(parse_overrides(rest));
  RunConfig config = read_config<RunConfig>(source, origins);
  if (has_model) require_model_of_file(origins, model);
  return config;
}

int dry_run(RunConfig& config, const Origins& origins, const Collectives& collectives) {
  const SharedMachine shared_machine;
  pick_precision(config.train);
  const RunCheck check = check_run(config, collectives);
  for (const std::string& message : check.errors) log_warning("train", "{}", message);
  for (const std::string& message : check.warnings) log_warning("train", "{}", message);
  fmt::print("{}#\n{}", describe_run(config, origins), describe_time(config, check, collectives));
  if (!check.errors.empty()) throw_user_error("the run cannot start: {}", check.errors.front());
  return 0;
}

int train(const TrainArguments& arguments, const std::vector<std::string>& rest, Ranks& ranks) {
  Origins origins;
  RunConfig config = read_run(arguments, rest, origins);
  warn_without_effect(settings_without_effect(config, origins));
  if (config.train.threads > 0) set_num_threads(config.train.threads);
  if (arguments.dry_run) return dry_run(config, origins, ranks.single("train --dry-run"));
  allow_tf32(config.train.tf32);
  keep_freed_memory();
  const SharedMachine shared_machine;
  const Collectives& collectives =
      connect_ranks(ranks, select_device(config.train.device), timeouts_of(config), agreement_of(config),
                    config.train.threads);
  const auto directory = claim_run_folder(arguments, collectives);
  // A job that was started again continues, whatever its command line says about the run that it found at first.
  const bool is_restart = ranks.environment().restarts > 0;
  const ResumePlan plan = !directory ? ResumePlan()
                                     : plan_resume(*directory, is_restart ? "auto" : arguments.resume,
                                                   arguments.overwrite && !is_restart);
  RunStart start{directory.get(), plan.existing, load_checkpoint_to_resume(plan, config, collectives)};
  pick_precision(config.train);
  Trainer trainer(config, start, collectives);
  start.resumed.reset();  // its memory
  if (arguments.profile_steps > 0) trainer.profile_steps(arguments.profile_steps);
  std::optional<LogFile> log_file;
  if (directory)
    log_file.emplace(directory->log(), fmt::format("cloob {}: {}", kVersion, arguments.command_line));
  const RunResult result = run_logged(trainer, log_file);
  if (result.stop_signal != 0) {
    log_info("train", "stopped after step {}; continue with --resume auto", with_thousands(result.steps));
    return 128 + result.stop_signal;
  }
  return 0;
}

}  // namespace

void add_train_command(CLI::App& app, Action& action, const std::string& command_line, Ranks& ranks) {
  CLI::App* const command = app.add_subcommand("train", "Train a model with the settings of a YAML file");
  const auto arguments = std::make_shared<TrainArguments>();
  arguments->command_line = command_line;
  command
      ->add_option("config", arguments->config,
                   "YAML file with the settings, for example configs/run/flickr8k_small.yaml")
      ->required();
  command->add_option(
      "--model", arguments->model,
      "Name of a file in configs/model, or a YAML file: read instead of the model file that the "
      "settings include");
  command->add_option("--run-dir", arguments->run_dir, "Run folder (default: runs/NAME OF THE FILE)");
  command
      ->add_option(
          "--resume", arguments->resume,
          "none; auto continues from the newest checkpoint of the run folder, or starts from the beginning "
          "if there is none; PATH continues from that checkpoint, of this run or in a new run folder")
      ->capture_default_str();
  command->add_flag("--overwrite", arguments->overwrite,
                    "Remove the existing run in the run folder and start again");
  command->add_flag(
      "--dry-run", arguments->dry_run,
      "Print all settings with their origins, parameters, FLOPs, memory and time, without training");
  command
      ->add_option(
          "--profile", arguments->profile_steps,
          "Profile this many steps after the first three: print where the time is spent and write trace.json "
          "to the run folder, for chrome://tracing")
      ->check(CLI::Range(1, 1000));
  command->allow_extras();
  command->footer("--section.key VALUE overrides any setting of the file; 'cloob config docs' lists them.");
  command->callback([command, arguments, &action, &ranks] {
    action = [command, arguments, &ranks] {
      reject_misspelled_options(*command);
      return train(*arguments, command->remaining(), ranks);
    };
  });
}

}  // namespace cloob
