// cloob config check|print|docs|schema

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "cli/commands.h"
#include "cloob/config/config.h"
#include "cloob/run/run_config.h"

namespace cloob {
namespace {

// Shared by `check` and `print`: a file and overrides.
RunConfig read_file_and_overrides(const CLI::App& command, const std::string& file, Origins& origins) {
  ConfigSource source = ConfigSource::from_file(file);
  source.add_overrides(parse_overrides(command.remaining()));
  return read_config<RunConfig>(source, origins);
}

void add_file_command(CLI::App& parent, const std::string& name, const std::string& help,
                      std::function<void(const RunConfig&, const Origins&)> use, Action& action) {
  CLI::App* const command = parent.add_subcommand(name, help);
  const auto file = std::make_shared<std::string>();
  command->add_option("config", *file, "YAML file with the settings of a run")->required();
  command->allow_extras();
  command->footer("--section.key VALUE overrides a setting in the file.");
  command->callback([command, file, use = std::move(use), &action] {
    action = [command, file, use] {
      Origins origins;
      const RunConfig config = read_file_and_overrides(*command, *file, origins);
      use(config, origins);
      return 0;
    };
  });
}

}  // namespace

void add_config_commands(CLI::App& app, Action& action) {
  CLI::App* const group = app.add_subcommand("config", "Check, print and document settings");
  group->require_subcommand(1);
  add_file_command(
      *group, "check", "Read a file and report what is wrong with it",
      [](const RunConfig&, const Origins&) { fmt::print("ok\n"); }, action);
  add_file_command(
      *group, "print", "Print all settings of a run, with the origin of every non-default value",
      [](const RunConfig& config, const Origins& origins) {
        fmt::print("{}", print_config(config, origins));
      },
      action);
  group->add_subcommand("docs", "Print the reference of all settings as Markdown")->callback([&action] {
    action = [] {
      fmt::print("{}", config_docs<RunConfig>());
      return 0;
    };
  });
  group->add_subcommand("schema", "Print the JSON schema of configuration files, for editors")
      ->callback([&action] {
        action = [] {
          fmt::print("{}", config_schema<RunConfig>());
          return 0;
        };
      });
}

}  // namespace cloob
