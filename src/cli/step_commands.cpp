#include <CLI/CLI.hpp>

#include "cli/commands.h"

namespace cloob {

void add_step_commands(CLI::App& app, Action& action, const std::string& /*command_line*/, Ranks& ranks) {
  CLI::App* const group = app.add_subcommand("bench", "Benchmark the training step and its loss");
  group->require_subcommand(1);
  add_bench_step(*group, action, ranks, {});
  add_bench_dist(*group, action, ranks, {});
  add_bench_loss(*group, action);
  add_launch_command(app, action);
}

}  // namespace cloob
