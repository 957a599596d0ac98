// The commands of the program, one file each. Every function adds its subcommands to `app`; parsing a command
// line that names one of them sets `action` to run it.
#pragma once

#include <string>
#include <vector>

#include "cli/caption_lengths.h"
#include "cloob/cli/program.h"

namespace cloob {

/// `command_line` is kept in the log of the run.
void add_train_command(CLI::App& app, Action& action, const std::string& command_line, Ranks& ranks);
void add_ablate_command(CLI::App& app, Action& action, Ranks& ranks);
void add_launch_command(CLI::App& app, Action& action);
void add_eval_commands(CLI::App& app, Action& action, Ranks& ranks);
void add_eval_suite(CLI::App& group, Action& action, Ranks& ranks);
/// Adds linear-probe, knn and few-shot to the group `eval`.
void add_eval_probe_commands(CLI::App& group, Action& action, Ranks& ranks);
void add_eval_clusters(CLI::App& group, Action& action, Ranks& ranks);
void add_encode_command(CLI::App& app, Action& action, Ranks& ranks);
void add_index_command(CLI::App& app, Action& action, Ranks& ranks);
void add_search_command(CLI::App& app, Action& action, Ranks& ranks);
void add_memory_commands(CLI::App& app, Action& action, Ranks& ranks);
/// Adds build and add to the group `memory`.
void add_memory_build(CLI::App& group, Action& action, Ranks& ranks);
void add_memory_dedup(CLI::App& group, Action& action, Ranks& ranks);
void add_tokenize_command(CLI::App& app, Action& action);
void add_tokenizer_commands(CLI::App& app, Action& action);
void add_weights_commands(CLI::App& app, Action& action);
void add_config_commands(CLI::App& app, Action& action);
void add_data_commands(CLI::App& app, Action& action);
void add_data_inspect_command(CLI::App& group, Action& action);
void add_data_pack_commands(CLI::App& group, Action& action);
void add_bench_commands(CLI::App& app, Action& action, Ranks& ranks);
void add_bench_inputs(CLI::App& group, Action& action);
/// `caption_lengths` may be empty, see StepArguments.
void add_bench_step(CLI::App& group, Action& action, Ranks& ranks, const CaptionLengths& caption_lengths);
void add_bench_dist(CLI::App& group, Action& action, Ranks& ranks, const CaptionLengths& caption_lengths);
void add_bench_loss(CLI::App& group, Action& action);
void add_bench_saturation(CLI::App& group, Action& action);
void add_bench_recall(CLI::App& group, Action& action);
void add_bench_kmeans(CLI::App& group, Action& action);
void add_bench_index(CLI::App& group, Action& action);
void add_report_command(CLI::App& app, Action& action);
/// `command_line` is kept in the file that is built.
void add_teacher_commands(CLI::App& app, Action& action, const std::string& command_line);
void add_hopfield_commands(CLI::App& app, Action& action);
void add_help_commands(CLI::App& app, Action& action);

/// Warns about settings that were set but have no effect; each entry includes the reason.
void warn_without_effect(const std::vector<std::string>& settings);

}  // namespace cloob
