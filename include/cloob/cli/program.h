#pragma once

#include "cloob/distributed/ranks.h"

namespace cloob {

/// Exit statuses of the program.
inline constexpr int kExitUserError = 2;
inline constexpr int kExitInternalError = 70;

/// Runs the program: parses the command line, executes one command and reports any failure as one line on
/// standard error and an exit status. Returns 128 + n when signal n stopped a run that saved its state first.
int run_program(int argc, char** argv, Ranks& ranks);
/// The same as the rank that the environment says, see rank_environment.h.
int run_program(int argc, char** argv);

}  // namespace cloob
