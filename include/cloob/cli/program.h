#pragma once

namespace cloob {

/// Exit statuses of the program.
inline constexpr int kExitUserError = 2;
inline constexpr int kExitInternalError = 70;

/// The whole program: reads the command line, runs one verb and turns every failure into one line on standard
/// error and an exit status. 128 + n when a signal n stopped a run that saved its state first.
int run_program(int argc, char** argv);

}  // namespace cloob
