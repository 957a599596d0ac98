#include "cli/usage.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "cloob/run/run_config.h"

namespace cloob {
namespace {

// The innermost command on the command line, and its name without that of the program: "eval retrieval".
std::pair<const CLI::App*, std::string> chosen_command(const CLI::App& app) {
  const CLI::App* command = &app;
  std::string name;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += (name.empty() ? "" : " ") + command->get_name();
  }
  return {command, name};
}

// "'cloob data inspect' or 'cloob weights inspect'" for "inspect", which is a command of both.
std::string same_command_elsewhere(const CLI::App& app, const std::string& word) {
  std::vector<std::string> found;
  for (const CLI::App* const group : app.get_subcommands([](const CLI::App*) { return true; })) {
    for (const CLI::App* const command : group->get_subcommands([](const CLI::App*) { return true; })) {
      if (command->get_name() == word) found.push_back(fmt::format("'cloob {} {}'", group->get_name(), word));
    }
  }
  return found.empty() ? "" : fmt::format(", did you mean {}?", join(found, " or "));
}

std::string describe_missing_command(const CLI::App& group, const std::string& name,
                                     const std::vector<std::string>& commands) {
  const std::vector<std::string> words = group.remaining();
  const std::string all =
      fmt::format(" commands{}: {}", name.empty() ? "" : fmt::format(" of '{}'", name), join(commands, ", "));
  if (words.empty()) return "a command is missing;" + all;
  std::string hint = same_command_elsewhere(group, words.front());
  if (hint.empty()) hint = suggestion(words.front(), commands);
  return fmt::format("unknown {} '{}'{}{}", words.front().starts_with('-') ? "option" : "command",
                     words.front(), hint.empty() ? ";" : hint, all);
}

std::string without_hyphens(std::string_view name) {
  std::string letters(name);
  std::erase_if(letters, [](char c) { return c == '-' || c == '_'; });
  return letters;
}

}  // namespace

void reject_misspelled_options(const CLI::App& command) {
  std::vector<std::string> options;
  for (const CLI::Option* const option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  }
  const std::vector<std::string> settings = setting_names<RunConfig>();
  for (const std::string& word : command.remaining()) {
    const std::string name = word.substr(0, word.find('='));
    if (!name.starts_with("--") || name.find('.') != std::string::npos) continue;
    if (std::ranges::find(settings, name.substr(2)) != settings.end()) continue;
    const auto same = std::ranges::find(options, without_hyphens(name), without_hyphens);
    const std::string hint =
        same != options.end() ? fmt::format(", did you mean '{}'?", *same) : suggestion(name, options);
    if (!hint.empty()) throw_user_error("command line: unknown option '{}'{}", name, hint);
  }
}

void reject_empty_values(CLI::App& app) {
  for (CLI::Option* const option : app.get_options()) {
    const bool is_flag = option->get_items_expected_max() == 0;
    if (is_flag) continue;
    // CLI11 puts the name of an option into its messages, unless help hides the option.
    const bool is_hidden = option->get_group().empty();
    const std::string name = is_hidden ? fmt::format("--{}: ", option->get_lnames().front()) : "";
    const std::string advice = option->get_required() ? "give one" : "give one, or leave the option out";
    const std::string message = fmt::format("{}the value is empty: {}", name, advice);
    option->check([message](const std::string& value) { return value.empty() ? message : ""; });
    // NaN passes range checks, because every comparison with it is false.
    const bool is_real = option->get_type_name().starts_with("FLOAT");
    if (is_real) {
      option->check([](const std::string& value) {
        return std::isnan(parse_double(value).value_or(0)) ? value + " is not a number" : "";
      });
    }
  }
  for (CLI::App* const command : app.get_subcommands([](CLI::App*) { return true; }))
    reject_empty_values(*command);
}

std::string describe_usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const auto [command, name] = chosen_command(app);
  std::vector<std::string> commands;
  for (const CLI::App* const each : command->get_subcommands([](const CLI::App*) { return true; })) {
    commands.push_back(each->get_name());
  }
  const bool something_is_missing = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError);
  if (something_is_missing && !commands.empty()) return describe_missing_command(*command, name, commands);
  std::string message = error.what();
  constexpr std::string_view kNoName = ": ";
  if (message.starts_with(kNoName)) message.erase(0, kNoName.size());
  return fmt::format("{} (see cloob{}{} --help)", message, name.empty() ? "" : " ", name);
}

}  // namespace cloob
