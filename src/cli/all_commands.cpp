#include "cli/commands.h"

namespace cloob {

void add_all_commands(CLI::App& app, Action& action, const std::string& command_line, Ranks& ranks) {
  add_train_command(app, action, command_line, ranks);
  add_ablate_command(app, action, ranks);
  add_eval_commands(app, action, ranks);
  add_encode_command(app, action, ranks);
  add_index_command(app, action, ranks);
  add_search_command(app, action, ranks);
  add_memory_commands(app, action, ranks);
  add_tokenize_command(app, action);
  add_tokenizer_commands(app, action);
  add_weights_commands(app, action);
  add_config_commands(app, action);
  add_data_commands(app, action);
  add_teacher_commands(app, action, command_line);
  add_bench_commands(app, action, ranks);
  add_report_command(app, action);
  add_hopfield_commands(app, action);
  add_launch_command(app, action);
  add_help_commands(app, action);
}

}  // namespace cloob
