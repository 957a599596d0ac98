#include "cloob/ablation/slurm.h"

#include <fmt/core.h>

#include "cloob/base/error.h"
#include "cloob/base/shell_word.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

std::string array_of(const SweepPlan& plan, RunKind kind) {
  std::string text;
  for (const ResolvedRun& run : plan.runs) {
    if (run.run.kind == kind) text += fmt::format("  {}\n", shell_word(run.run.name));
  }
  return text;
}

// {0}: name, {1}: threads, {2}: resources, {3}: log, {4}: trials, {5}: final runs, {6}: folder, {7}: command
constexpr const char* kScript = R"(#!/bin/bash
#SBATCH --job-name={0}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={1}
{2}#SBATCH --output={3}
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
# Written by cloob ablate. Started by hand it submits the sweep; add a partition, a time limit and so on above, or to SBATCH:
#   SBATCH='sbatch --partition=gpu --time=24:00:00' bash THIS_FILE
# A task that is stopped saves first; submitted again, all continue where they stopped.
trials=(
{4})
finals=(
{5})
sbatch=${{SBATCH:-sbatch --parsable}}
case "$sbatch" in *--parsable*) ;; *) sbatch="$sbatch --parsable" ;; esac
if [ -z "${{SLURM_ARRAY_TASK_ID:-}}" ]; then
  after=()
  if [ ${{#trials[@]}} -gt 0 ]; then
    job=$($sbatch --array=0-$((${{#trials[@]}} - 1)) "$0" trials) || exit 1
    echo "trials: job ${{job%%;*}}"
    after=(--dependency=afterany:"${{job%%;*}}")
  fi
  job=$($sbatch "${{after[@]}}" --array=0-$((${{#finals[@]}} - 1)) "$0" finals) || exit 1
  echo "final runs: job ${{job%%;*}}"
  exit 0
fi
runs=("${{finals[@]}}")
if [ "$1" = trials ]; then runs=("${{trials[@]}}"); fi
cd {6} || exit 1
exec {7} --run "${{runs[$SLURM_ARRAY_TASK_ID]}}"
)";

}  // namespace

std::string slurm_script(const SweepPlan& plan, const std::filesystem::path& program,
                         const std::filesystem::path& working_folder, const std::filesystem::path& out) {
  const bool uses_gpu = plan.fixed.device == DeviceChoice::cuda;
  const std::string log = (std::filesystem::absolute(out) / "slurm-%x-%A_%a.txt").string();
  if (log.find_first_of(" \t\n\"'\\") != std::string::npos)
    throw_user_error(
        "'{}' has characters that Slurm does not take in the name of a log: choose another --out",
        out.string());
  const std::string command = fmt::format("{} ablate {} --out {}", shell_word(program.string()),
                                          shell_word(plan.sweep.file.string()), shell_word(out.string()));
  return fmt::format(kScript, plan.sweep.config.name, plan.fixed.threads,
                     uses_gpu ? "#SBATCH --gpus-per-task=1\n" : "", log, array_of(plan, RunKind::trial),
                     array_of(plan, RunKind::final), shell_word(working_folder.string()), command);
}

void require_independent_of_machine(const SweepPlan& plan) {
  if (plan.from_machine.empty()) return;
  throw_user_error("{}: the runs are on other machines than this one: set {} in the sweep",
                   plan.sweep.file.string(), join(plan.from_machine, " and "));
}

}  // namespace cloob
