// cloob help|version|completion

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/base/version.h"
#include "cloob/config/config.h"
#include "cloob/run/run_config.h"

namespace cloob {
namespace {

std::vector<const CLI::App*> subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// The help of the command that `words` name: of "eval", "zero-shot" that of `cloob eval zero-shot`.
std::string help_of(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  std::string path = app.get_name();
  for (const std::string& word : words) {
    std::vector<std::string> names;
    const CLI::App* next = nullptr;
    for (const CLI::App* const each : subcommands(*command)) {
      names.push_back(each->get_name());
      if (each->get_name() == word) next = each;
    }
    if (next == nullptr) {
      throw_user_error("'{}' has no command '{}'{}", path, word,
                       names.empty() ? "" : fmt::format("; it has {}", join(names, ", ")));
    }
    command = next;
    path += " " + word;
  }
  // App::help would show the help of the command that runs now.
  return command->get_formatter()->make_help(command, path, CLI::AppFormatMode::Normal);
}

// The words that may follow a command: its commands, its options and, if it takes settings, "$settings", all of them, or
// "$data_settings".
std::string words_after(const CLI::App& command, std::string_view path) {
  std::vector<std::string> words;
  for (const CLI::App* const each : subcommands(command)) words.push_back(each->get_name());
  for (const CLI::Option* const option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  const bool takes_all = path == "train" || path == "bench step" || path.starts_with("config");
  if (command.get_allow_extras()) words.emplace_back(takes_all ? "$settings" : "$data_settings");
  return join(words, " ");
}

// A case of the completion script for a command and for those below it; "train" or "eval zero-shot".
void add_cases(const CLI::App& command, const std::string& path, std::string& cases) {
  cases += fmt::format("    '{}') words=\"{}\" ;;\n", path, words_after(command, path));
  for (const CLI::App* const each : subcommands(command))
    add_cases(*each, path.empty() ? each->get_name() : path + " " + each->get_name(), cases);
}

// The options of all settings whose names begin with `prefix`.
std::string setting_options(std::string_view prefix) {
  std::vector<std::string> options;
  for (const std::string& name : setting_names<RunConfig>()) {
    if (name.starts_with(prefix)) options.push_back("--" + name);
  }
  return join(options, " ");
}

std::string completion_script(const CLI::App& app) {
  std::string cases;
  add_cases(app, "", cases);
  return fmt::format(
      R"(# Completion of cloob for bash, and for zsh after: autoload -U +X bashcompinit && bashcompinit
_cloob() {{
  local path='' word words settings='{}' data_settings='{}'
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in -*|*/*|*.*) break ;; esac
    path="${{path:+$path }}$word"
  done
  case "$path" in
{}    *) words='' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _cloob cloob
)",
      setting_options(""), setting_options("data."), cases);
}

}  // namespace

void add_help_commands(CLI::App& app, Action& action) {
  CLI::App* const help = app.add_subcommand("help", "Show the help of a command");
  const auto words = std::make_shared<std::vector<std::string>>();
  help->add_option("command", *words, "Name of the command, for example eval zero-shot");
  help->callback([&app, words, &action] {
    action = [&app, words] {
      fmt::print("{}", help_of(app, *words));
      return 0;
    };
  });
  app.add_subcommand("version", "Print the version")->callback([&action] {
    action = [] {
      fmt::print("cloob {}\n", kVersion);
      return 0;
    };
  });
  app.add_subcommand("completion", "Print a completion script for bash and zsh: source <(cloob completion)")
      ->callback([&app, &action] {
        action = [&app] {
          fmt::print("{}", completion_script(app));
          return 0;
        };
      });
}

}  // namespace cloob
