// The verbs of the program, one file each. Every function adds its subcommands to `app`; when one of them is
// chosen on the command line, parsing sets `action` to what it does.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cloob {

/// Runs a verb and returns the exit status.
using Action = std::function<int()>;

void add_train_command(CLI::App& app, Action& action);
void add_eval_commands(CLI::App& app, Action& action);
void add_encode_command(CLI::App& app, Action& action);
void add_tokenize_command(CLI::App& app, Action& action);
void add_tokenizer_commands(CLI::App& app, Action& action);
void add_weights_commands(CLI::App& app, Action& action);
void add_config_commands(CLI::App& app, Action& action);
void add_data_commands(CLI::App& app, Action& action);
void add_data_inspect_command(CLI::App& group, Action& action);
void add_data_pack_commands(CLI::App& group, Action& action);
void add_bench_commands(CLI::App& app, Action& action);
void add_bench_step(CLI::App& group, Action& action);
void add_report_command(CLI::App& app, Action& action);

/// Warns of settings that were set but change nothing, each given with the reason.
void warn_without_effect(const std::vector<std::string>& settings);

}  // namespace cloob
