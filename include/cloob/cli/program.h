#pragma once

#include <functional>
#include <string>

#include "cloob/distributed/ranks.h"

namespace CLI {
class App;
}

namespace cloob {

/// Exit statuses of the program.
inline constexpr int kExitUserError = 2;
inline constexpr int kExitInternalError = 70;

/// Runs a command and returns the exit status.
using Action = std::function<int()>;

/// Adds commands to `app`; parsing a command line that names one of them sets `action` to run it. `command_line` is kept
/// in the log of a run.
using AddCommands = void (*)(CLI::App& app, Action& action, const std::string& command_line, Ranks& ranks);

/// Those of the program.
void add_all_commands(CLI::App& app, Action& action, const std::string& command_line, Ranks& ranks);
/// Those that need nothing but models and the training step, for the build of these alone (CLOOB_STEP_ONLY).
void add_step_commands(CLI::App& app, Action& action, const std::string& command_line, Ranks& ranks);

/// Runs the program as the rank that the environment says (rank_environment.h): parses the command line, executes one
/// command and reports any failure as one line on standard error and an exit status. Returns 128 + n when signal n stopped a
/// run that saved its state first.
int run_program(int argc, char** argv, AddCommands add_commands);

}  // namespace cloob
