#include "cloob/cli/program.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/usage.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/message.h"
#include "cloob/base/rank_failure.h"
#include "cloob/base/shell_word.h"
#include "cloob/base/text.h"
#include "cloob/base/version.h"
#include "cloob/report/progress.h"

namespace cloob {
namespace {

// A message has several lines if there are several mistakes.
int report_failure(int status, const std::string& message) {
  std::fflush(stdout);
  for (const std::string& line : split(message, '\n'))
    fmt::print(stderr, "error: {}\n", without_controls(presentable(line)));
  return status;
}

int run_action(const Action& action, Ranks& ranks) {
  try {
    const int status = action();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      throw_user_error("cannot write to standard output");
    return status;
  } catch (...) {
    const Failure failure = describe_failure(std::current_exception());
    if (failure.status != kExitRankFailure) ranks.report_failure(failure.message);
    const std::string who = ranks.world_size() == 1 ? "" : fmt::format("rank {}: ", ranks.rank());
    return report_failure(failure.status, who + failure.message);
  }
}

// Prints the text of --help or --version.
int show(const CLI::App& app, const CLI::Success& request, Ranks& ranks) {
  const auto print = [&] {
    std::ostringstream text;
    app.exit(request, text, text);
    fmt::print("{}", text.str());
    return 0;
  };
  return run_action(print, ranks);
}

// As it could be pasted into a shell.
std::string quoted_command_line(int argc, char** argv) {
  std::vector<std::string> words;
  for (const char* const word : std::span(argv, static_cast<std::size_t>(argc)))
    words.push_back(shell_word(word));
  return join(words, " ");
}

// Every command accepts the flag, so that it may be anywhere on the command line.
void add_quiet_flag(CLI::App& app, bool& quiet) {
  app.add_flag("-q,--quiet", quiet, "Print only warnings and errors to standard error");
  for (CLI::App* const command : app.get_subcommands([](CLI::App*) { return true; }))
    add_quiet_flag(*command, quiet);
}

int run_as_rank(int argc, char** argv, Ranks& ranks, AddCommands add_commands) {
  CLI::App app{"Pretrains and evaluates CLIP-family models: CLIP, CLOOB and the ablations between them.",
               "cloob"};
  app.set_version_flag("--version", fmt::format("cloob {}", kVersion));
  app.require_subcommand(1);
  bool quiet = false;
  Action action;
  add_commands(app, action, quoted_command_line(argc, argv), ranks);
  add_quiet_flag(app, quiet);
  reject_empty_values(app);
  if (argc == 1) return show(app, CLI::CallForHelp(), ranks);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {
    return show(app, request, ranks);
  } catch (const CLI::ParseError& error) {
    return report_failure(kExitUserError, describe_usage_error(app, error));
  }
  if (quiet) {
    set_log_level(LogLevel::warning);
    set_progress_bars(false);
  }
  // Rank 0 speaks for all.
  if (ranks.rank() > 0) {
    set_log_level(LogLevel::error);
    set_progress_bars(false);
  }
  return run_action(action, ranks);
}

}  // namespace

void warn_without_effect(const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) log_warning("config", "{} has no effect", setting);
}

int run_program(int argc, char** argv, AddCommands add_commands) {
  std::optional<Ranks> ranks;
  try {
    ranks.emplace(read_rank_environment());
    see_own_gpu_only(ranks->environment());
  } catch (const UserError& error) {
    return report_failure(kExitUserError, error.what());
  }
  return run_as_rank(argc, argv, *ranks, add_commands);
}

}  // namespace cloob
