// cloob ablate

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cloob/ablation/describe_plan.h"
#include "cloob/ablation/run_sweep.h"
#include "cloob/ablation/slurm.h"
#include "cloob/ablation/sweep_config.h"
#include "cloob/ablation/sweep_folder.h"
#include "cloob/ablation/sweep_plan.h"
#include "cloob/base/child_process.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/device/visible_gpus.h"
#include "cloob/distributed/ranks.h"

namespace cloob {
namespace {

struct AblateArguments {
  std::string sweep;
  std::string out;
  std::string slurm;
  std::string run;
  std::int64_t parallel = 1;
  bool dry_run = false;
};

std::filesystem::path own_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

std::optional<FixedSettings> earlier_settings(const std::filesystem::path& out) {
  const std::filesystem::path file = out / "plan.json";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return std::nullopt;
  return read_fixed_settings(read_file(file), file.string());
}

// Before the folder exists, all are waiting.
std::vector<RunResult> results_so_far(const SweepPlan& plan, const std::filesystem::path& out) {
  std::error_code ignored;
  if (!std::filesystem::exists(out / "plan.json", ignored)) return std::vector<RunResult>(plan.runs.size());
  return read_results(plan, SweepFolder(out, SweepFolder::Use::reading));
}

void require_run(const SweepPlan& plan, const std::string& name) {
  std::vector<std::string> names;
  for (const ResolvedRun& run : plan.runs) names.push_back(run.run.name);
  if (std::ranges::find(names, name) == names.end())
    throw_user_error("--run: the sweep has no run '{}'{}", name, suggestion(name, names));
}

bool uses_gpu(const SweepPlan& plan) {
  return std::ranges::any_of(
      plan.runs, [](const ResolvedRun& run) { return run.config.train.device == DeviceChoice::cuda; });
}

// The exit status.
int report(const SweepPlan& plan, const SweepFolder& folder, const SweepOutcome& outcome,
           const std::string& only) {
  std::int64_t num_done = 0, num_failed = 0;
  for (std::size_t i = 0; i < plan.runs.size(); ++i) {
    const std::string& name = plan.runs[i].run.name;
    const RunResult& result = outcome.results[i];
    num_done += result.status == RunStatus::done ? 1 : 0;
    if (result.status != RunStatus::failed || (!only.empty() && name != only)) continue;
    ++num_failed;
    log_error("ablate", "{} failed: {} (log: {})", name, result.failure, folder.log_of(name).string());
  }
  const auto num_runs = std::ssize(plan.runs);
  log_info("ablate", "{} of {} done; results in {}", with_thousands(num_done), counted(num_runs, "run"),
           folder.results_file().string());
  if (outcome.stop_signal != 0) {
    log_info("ablate", "stopped; start the same command again to continue");
    return 128 + outcome.stop_signal;
  }
  if (num_failed == 0) return 0;
  log_error("ablate", "{} failed; start the same command again to try them once more",
            counted(num_failed, "run"));
  return 1;
}

int write_slurm_script(const SweepPlan& plan, const AblateArguments& arguments) {
  write_file_atomically(arguments.slurm,
                        slurm_script(plan, own_program(), std::filesystem::current_path(), arguments.out));
  log_info("ablate", "submit the sweep with: bash {}", arguments.slurm);
  return 0;
}

int train_runs(const SweepPlan& plan, const SweepFolder& folder, const AblateArguments& arguments,
               const std::vector<std::string>& gpus, const SignalQueue& signals) {
  const RunSweepOptions options{
      .program = own_program(), .parallel = arguments.parallel, .gpus = gpus, .only = arguments.run};
  return report(plan, folder, run_sweep(plan, folder, options, signals), arguments.run);
}

int ablate(const AblateArguments& arguments, const Ranks& ranks) {
  const Collectives& collectives = ranks.single("ablate");
  if (!arguments.slurm.empty()) require_output_folder(arguments.slurm);
  const Sweep sweep = read_sweep(arguments.sweep);
  std::optional<SignalQueue> signals;  // a dry run ends at once
  if (!arguments.dry_run) signals.emplace();
  SweepPlan plan = resolve_plan(sweep, earlier_settings(arguments.out));
  if (!arguments.run.empty()) require_run(plan, arguments.run);
  if (!arguments.slurm.empty()) require_independent_of_machine(plan);
  const SweepCheck check = check_sweep(plan, arguments.run, collectives);
  for (const std::string& warning : check.warnings) log_warning("ablate", "{}", warning);
  const std::vector<std::string> gpus = uses_gpu(plan) ? visible_gpus() : std::vector<std::string>();
  if (arguments.run.empty()) {
    fmt::print("{}", describe_plan(plan, results_so_far(plan, arguments.out), arguments.parallel,
                                   std::ssize(gpus), collectives));
    std::fflush(stdout);
  }
  if (!check.errors.empty()) throw UserError(join(check.errors, "\n"));
  if (arguments.dry_run) return 0;
  const int signal_number = signals->next(std::chrono::milliseconds(0));
  if (signal_number != 0 && signal_number != SIGCHLD) return 128 + signal_number;
  const bool is_alone = arguments.run.empty() && arguments.slurm.empty();
  const SweepFolder folder(arguments.out, is_alone ? SweepFolder::Use::alone : SweepFolder::Use::one_run);
  write_plan(plan, folder);
  if (!arguments.slurm.empty()) return write_slurm_script(plan, arguments);
  return train_runs(plan, folder, arguments, gpus, *signals);
}

}  // namespace

void add_ablate_command(CLI::App& app, Action& action, Ranks& ranks) {
  CLI::App* const command =
      app.add_subcommand("ablate", "Train every variant of a sweep, with all seeds, and collect the results");
  const auto arguments = std::make_shared<AblateArguments>();
  command
      ->add_option("sweep", arguments->sweep,
                   "YAML file of the sweep, for example configs/ablation/small.yaml (docs/ablations.md)")
      ->required();
  command->add_option("--out", arguments->out, "Folder of the sweep; one that was interrupted is continued")
      ->required();
  command->add_flag("--dry-run", arguments->dry_run,
                    "Print the plan with its estimated time, without training");
  CLI::Option* const parallel =
      command
          ->add_option(
              "--parallel", arguments->parallel,
              "Runs at once; GPUs are given to them in turn. The results are the same for any number")
          ->capture_default_str()
          ->check(CLI::Range(1, 1024));
  CLI::Option* const slurm =
      command->add_option("--slurm", arguments->slurm,
                          "Write a script that submits the sweep to Slurm, a task for each run, and end");
  command->add_option("--run", arguments->run, "Train this run of the plan alone, as a task of Slurm does")
      ->excludes(parallel)
      ->excludes(slurm);
  command->callback(
      [arguments, &action, &ranks] { action = [arguments, &ranks] { return ablate(*arguments, ranks); }; });
}

}  // namespace cloob
