#include "cloob/ablation/run_sweep.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/is_there.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/base/timer.h"
#include "cloob/config/config.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

std::string last_line_of(const fs::path& log) {
  std::string last;
  if (!is_there(log)) return last;
  for (const std::string& line : split(read_file(log), '\n')) {
    if (!trim(line).empty()) last = std::string(trim(line));
  }
  constexpr std::size_t kMaxLength = 1000;
  return without_controls(last.substr(0, kMaxLength));
}

std::map<std::string, Choice> choices_in(const SweepFolder& folder) {
  if (!is_there(folder.choices_file())) return {};
  return read_choices(read_file(folder.choices_file()), folder.choices_file().string());
}

class SweepRunner {
 public:
  SweepRunner(const SweepPlan& plan, const SweepFolder& folder, const RunSweepOptions& options,
              const SignalQueue& signals)
      : plan_(plan), folder_(folder), options_(options), signals_(signals) {}

  SweepOutcome run() {
    outcome_.results = read_results(plan_, folder_);
    write_results();
    train(due_trials());
    if (outcome_.stop_signal == 0 && plan_.sweep.search && choices_are_due()) choose_trials();
    if (outcome_.stop_signal == 0) train(due_finals());
    return std::move(outcome_);
  }

 private:
  const PlannedRun& planned(std::size_t index) const { return plan_.runs[index].run; }

  bool is_due(std::size_t index, RunKind kind) const {
    const PlannedRun& run = planned(index);
    return run.kind == kind && (options_.only.empty() || options_.only == run.name) &&
           outcome_.results[index].status != RunStatus::done;
  }

  // Once a variant has its choice, its trials are over, also those that failed.
  std::deque<std::size_t> due_trials() const {
    const auto chosen = choices_in(folder_);
    std::deque<std::size_t> due;
    for (std::size_t i = 0; i < plan_.runs.size(); ++i) {
      if (is_due(i, RunKind::trial) && !chosen.contains(variant_name(planned(i).values))) due.push_back(i);
    }
    return due;
  }

  // One process of several must not choose before the others have finished.
  bool choices_are_due() const {
    if (options_.only.empty()) return true;
    bool is_final = false, are_over = true;
    for (std::size_t i = 0; i < plan_.runs.size(); ++i) {
      const RunStatus status = outcome_.results[i].status;
      if (planned(i).kind == RunKind::trial)
        are_over = are_over && (status == RunStatus::done || status == RunStatus::failed);
      is_final = is_final || (planned(i).name == options_.only && planned(i).kind == RunKind::final);
    }
    if (is_final && !are_over && choices_in(folder_).empty())
      throw_user_error("the trials are not over, so the settings of {} are not known: run them first",
                       options_.only);
    return are_over;
  }

  void choose_trials() {
    const SweepFolder::WriteLock lock(folder_);
    outcome_.choices = choose(plan_, outcome_.results, choices_in(folder_));
    const std::string json = choices_json(outcome_.choices);
    if (is_there(folder_.choices_file()) && read_file(folder_.choices_file()) == json) return;
    write_file_atomically(folder_.choices_file(), json);
    for (const Choice& choice : outcome_.choices) log_choice(choice);
  }

  void log_choice(const Choice& choice) const {
    const auto scored =
        std::ranges::count_if(choice.trials, [](const TrialScore& t) { return t.score.has_value(); });
    const std::string name = variant_name(choice.values);
    if (!choice.chosen) {
      log_error("ablate", "{}: no trial ended with a {}, so it has no final runs", name,
                plan_.sweep.config.search.metric);
      return;
    }
    if (scored < std::ssize(choice.trials))
      log_warning("ablate", "{}: only {} of {} ended with a {}: the comparison is not fair to it", name,
                  scored, counted(std::ssize(choice.trials), "trial"), plan_.sweep.config.search.metric);
    const auto best = std::ranges::find(choice.trials, *choice.chosen, &TrialScore::run);
    if (best == choice.trials.end() || !best->score) return;
    std::vector<std::string> settings;
    for (const auto& [setting, value] : best->settings) settings.push_back(setting + " " + value);
    log_info("ablate", "{}: chosen {} ({} {:.4g})", name, join(settings, ", "),
             plan_.sweep.config.search.metric, *best->score);
  }

  std::deque<std::size_t> due_finals() {
    std::deque<std::size_t> due;
    for (std::size_t i = 0; i < plan_.runs.size(); ++i) {
      if (!is_due(i, RunKind::final)) continue;
      if (plan_.sweep.search && !chosen_settings(planned(i))) {
        fail(i, "no trial of its variant ended with a score");
        continue;
      }
      due.push_back(i);
    }
    return due;
  }

  // Nothing if no trial of its variant has a score.
  std::optional<SweepSettings> chosen_settings(const PlannedRun& run) const {
    if (!plan_.sweep.search || run.kind == RunKind::trial) return SweepSettings();
    const auto chosen = choices_in(folder_);
    const auto choice = chosen.find(variant_name(run.values));
    if (choice == chosen.end()) return std::nullopt;
    const std::string& name = *choice->second.chosen;
    const auto trial =
        std::ranges::find_if(plan_.runs, [&](const ResolvedRun& other) { return other.run.name == name; });
    if (trial == plan_.runs.end())
      throw_user_error("'{}' names the trial '{}', which is not in the plan", folder_.choices_file().string(),
                       name);
    return trial->run.searched;
  }

  // Whatever goes wrong here, the runs save what they have.
  void train(std::deque<std::size_t> due) {
    ChildProcesses children(signals_);
    std::vector<std::optional<std::size_t>> slots(static_cast<std::size_t>(options_.parallel));
    num_due_ = std::ssize(due);
    num_started_ = 0;
    try {
      while (children.num_running() > 0 || (!due.empty() && outcome_.stop_signal == 0)) {
        if (outcome_.stop_signal == 0) fill(slots, due, children);
        handle(signals_.next(), children);
        for (const auto& [slot, status] : children.collect()) {
          auto& index = slots[static_cast<std::size_t>(slot)];
          note_end(*index, status);
          locks_.erase(*index);
          index.reset();
        }
      }
    } catch (...) {
      end_all(children);
      throw;
    }
  }

  void end_all(ChildProcesses& children) const {
    if (children.num_running() > 0)
      log_error("ablate", "something went wrong: {} being saved", counted(children.num_running(), "run"));
    children.send(SIGTERM);
    while (children.num_running() > 0) {
      if (signals_.next() == SIGINT) children.send(SIGKILL);
      children.collect();
    }
  }

  void fill(std::vector<std::optional<std::size_t>>& slots, std::deque<std::size_t>& due,
            ChildProcesses& children) {
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
      if (slots[slot]) continue;
      const auto index = take_free(due);
      if (!index) return;
      start(*index, slot, children);
      slots[slot] = index;
    }
  }

  // The first run that no other process trains: one that was given the same run, or one of an earlier sweep that still saves it.
  // It stays locked. What another one has done meanwhile is not due any more.
  std::optional<std::size_t> take_free(std::deque<std::size_t>& due) {
    for (auto next = due.begin(); next != due.end();) {
      const std::size_t index = *next;
      if (!lock(index)) {
        ++next;
        continue;
      }
      next = due.erase(next);
      outcome_.results[index] = folder_.result_of(planned(index).name);
      if (outcome_.results[index].status != RunStatus::done) return index;
      locks_.erase(index);
      log_info("ablate", "{}: done by another process", planned(index).name);
      write_results();
    }
    return std::nullopt;
  }

  bool lock(std::size_t index) {
    const std::string& name = planned(index).name;
    const auto [lock, is_new] = locks_.try_emplace(index, folder_, name);
    if (lock->second.is_held() && !folder_.is_in_use(name)) return true;
    locks_.erase(lock);
    if (waited_for_.insert(index).second)
      log_info("ablate", "{}: waiting for the process that still writes there", name);
    return false;
  }

  void start(std::size_t index, std::size_t slot, ChildProcesses& children) {
    const PlannedRun& run = planned(index);
    const RunConfig config = run.kind == RunKind::trial ? plan_.runs[index].config
                                                        : final_config(plan_, run, *chosen_settings(run));
    write_file_atomically(folder_.recipe_of(run.name), print_config(config));
    folder_.clear_mark(run.name);
    ChildCommand command{.name = run.name,
                         .words = {options_.program.string(), "train", folder_.recipe_of(run.name).string(),
                                   "--run-dir", folder_.run_folder(run.name).string(), "--resume", "auto"},
                         // Of threads that train.threads does not reach.
                         .environment = {{"OMP_NUM_THREADS", std::to_string(plan_.fixed.threads)}},
                         .output = folder_.log_of(run.name)};
    if (config.train.device == DeviceChoice::cuda && !options_.gpus.empty())
      command.environment["CUDA_VISIBLE_DEVICES"] = options_.gpus[slot % options_.gpus.size()];
    children.start(static_cast<std::int64_t>(slot), command);
    started_[index].restart();
    ++num_started_;
    const bool continues = outcome_.results[index].status != RunStatus::waiting;
    log_info("ablate", "{} of {}: {} {}", num_started_, num_due_, run.name,
             continues ? fmt::format("continues after step {}", with_thousands(outcome_.results[index].steps))
                       : "starts");
  }

  void handle(int signal_number, ChildProcesses& children) {
    if (signal_number == 0 || signal_number == SIGCHLD) return;
    if (outcome_.stop_signal == 0) {
      outcome_.stop_signal = signal_number;
      if (children.num_running() > 0)
        log_info("ablate", "stopping: {} being saved", counted(children.num_running(), "run"));
      children.send(signal_number);
    } else if (signal_number == SIGINT && outcome_.stop_signal == SIGINT) {
      children.send(SIGKILL);
    }
  }

  void note_end(std::size_t index, int status) {
    const PlannedRun& run = planned(index);
    if (status == 0) {
      folder_.mark_done(run.name);
      outcome_.results[index] = folder_.result_of(run.name);
      log_info("ablate", "{}: done in {}{}", run.name, human_seconds(started_[index].seconds()),
               score_text(index));
    } else if (outcome_.stop_signal != 0 && status > 128) {
      outcome_.results[index] = folder_.result_of(run.name);
    } else {
      const std::string line = last_line_of(folder_.log_of(run.name));
      fail(index, line.empty() ? describe_exit_status(status)
                               : fmt::format("{}: {}", describe_exit_status(status), line));
    }
    write_results();
  }

  std::string score_text(std::size_t index) const {
    for (const auto& [name, value] : outcome_.results[index].metrics) {
      if (name == plan_.sweep.config.search.metric) return fmt::format(", {} {:.4g}", name, value);
    }
    return "";
  }

  void fail(std::size_t index, const std::string& failure) {
    const std::string& name = planned(index).name;
    folder_.mark_failed(name, failure);
    outcome_.results[index] = folder_.result_of(name);
    log_error("ablate", "{} failed: {}", name, failure);
    write_results();
  }

  // Of all runs, also of those that other processes have trained meanwhile.
  void write_results() {
    const SweepFolder::WriteLock lock(folder_);
    if (!options_.only.empty()) outcome_.results = read_results(plan_, folder_);
    write_file_atomically(folder_.results_file(), results_csv(plan_, outcome_.results));
  }

  const SweepPlan& plan_;
  const SweepFolder& folder_;
  const RunSweepOptions& options_;
  const SignalQueue& signals_;
  SweepOutcome outcome_;
  std::map<std::size_t, Timer> started_;
  std::map<std::size_t, SweepFolder::RunLock> locks_;
  std::set<std::size_t> waited_for_;
  std::ptrdiff_t num_due_ = 0, num_started_ = 0;
};

}  // namespace

void write_plan(const SweepPlan& plan, const SweepFolder& folder) {
  const SweepFolder::WriteLock lock(folder);
  const std::string json = plan_json(plan);
  if (!is_there(folder.plan_file())) {
    write_file_atomically(folder.copy_of_sweep(), read_file(plan.sweep.file));
    write_file_atomically(folder.plan_file(), json);
    return;
  }
  const std::vector<std::string> differences =
      plan_differences(read_file(folder.plan_file()), json, folder.plan_file().string());
  if (differences.empty()) return;
  constexpr std::ptrdiff_t kMaxShown = 3;
  const std::ptrdiff_t shown = std::min(kMaxShown, std::ssize(differences));
  const std::string more =
      shown < std::ssize(differences) ? fmt::format("; and {} more", std::ssize(differences) - shown) : "";
  throw_user_error("'{}' holds another sweep ({}{}): choose another folder with --out, or remove it",
                   folder.path().string(),
                   join(std::span(differences).first(static_cast<std::size_t>(shown)), "; "), more);
}

std::vector<RunResult> read_results(const SweepPlan& plan, const SweepFolder& folder) {
  std::vector<RunResult> results;
  for (const ResolvedRun& run : plan.runs) results.push_back(folder.result_of(run.run.name));
  return results;
}

SweepOutcome run_sweep(const SweepPlan& plan, const SweepFolder& folder, const RunSweepOptions& options,
                       const SignalQueue& signals) {
  return SweepRunner(plan, folder, options, signals).run();
}

}  // namespace cloob
