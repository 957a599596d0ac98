// cloob launch

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cloob/base/error.h"
#include "cloob/distributed/launcher.h"
#include "cloob/distributed/rank_environment.h"

namespace cloob {
namespace {

struct LaunchArguments {
  LaunchOptions options;
  std::vector<std::string> command;
};

int launch_ranks(const LaunchArguments& arguments) {
  if (const RankEnvironment environment = read_rank_environment(); environment.world_size > 1)
    throw_user_error("'cloob launch' was itself started {} times by {}: one of them is enough",
                     environment.world_size, environment.launcher);
  LaunchOptions options = arguments.options;
  options.command = {std::filesystem::read_symlink("/proc/self/exe").string()};
  options.command.insert(options.command.end(), arguments.command.begin(), arguments.command.end());
  return launch(options);
}

}  // namespace

void add_launch_command(CLI::App& app, Action& action) {
  CLI::App* const command =
      app.add_subcommand("launch", "Run a command in several processes on this machine");
  const auto arguments = std::make_shared<LaunchArguments>();
  command->add_option("--nproc", arguments->options.num_ranks, "Processes, one for each GPU")
      ->required()
      ->check(CLI::Range(1, 4096));
  command
      ->add_option("--max-restarts", arguments->options.max_restarts,
                   "How often to start all again from the newest checkpoint after one has failed")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000'000));
  command
      ->add_option("command", arguments->command,
                   "Behind --: the command and its arguments, for example -- train run.yaml")
      ->required();
  command->callback([arguments, &action] { action = [arguments] { return launch_ranks(*arguments); }; });
}

}  // namespace cloob
