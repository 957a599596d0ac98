// cloob bench step|dist

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/connect_ranks.h"
#include "cli/output_file.h"
#include "cli/step_arguments.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/json.h"
#include "cloob/base/log.h"
#include "cloob/base/memory.h"
#include "cloob/device/device.h"
#include "cloob/device/shared_machine.h"
#include "cloob/distributed/launcher.h"
#include "cloob/report/named_numbers.h"

namespace cloob {
namespace {

StepBenchmarkResult run_benchmark(const StepBenchmark& benchmark, const Collectives& collectives) {
  allow_tf32(benchmark.config.train.tf32);
  keep_freed_memory();
  const SharedMachine shared_machine;
  return benchmark_step(benchmark, collectives);
}

void require_output_of(const StepArguments& arguments) {
  require_output(arguments.json, OutputKind::json, {arguments.captions, arguments.model});
}

int bench_step(const StepArguments& arguments, const std::vector<std::string>& settings, Ranks& ranks) {
  require_output_of(arguments);
  if (arguments.threads > 0) set_num_threads(arguments.threads);
  const StepBenchmarkResult result =
      run_benchmark(step_benchmark_of(arguments, arguments.batch, settings), ranks.single("bench step"));
  NamedNumbers numbers = {{"step_s", result.seconds},
                          {"samples_s", result.samples_per_second},
                          {"first_s", result.first_seconds},
                          {"peak_rss_gib", result.peak_rss_gib},
                          {"loss", result.loss}};
  if (result.peak_device_gib) numbers.emplace_back("peak_device_gib", *result.peak_device_gib);
  write_result(arguments.json, to_json(numbers));
  return 0;
}

struct DistArguments {
  StepArguments step;  // its batch is that of a rank
  std::int64_t num_ranks = 2;
  std::vector<std::string> settings;
  std::string agreement;
};

// The results of all, without those of a single process.
NamedNumbers numbers_of(const StepBenchmarkResult& result, std::int64_t world_size) {
  return {{"samples_s", result.samples_per_second},
          {"single_process_samples_s", std::numeric_limits<double>::quiet_NaN()},
          {"communication_share", result.communication_share},
          {"bytes_per_step", static_cast<double>(result.bytes_per_step)},
          {"world_size", static_cast<double>(world_size)},
          {"step_s", result.seconds},
          {"peak_rss_gib", result.peak_rss_gib},
          {"loss", result.loss},
          {"single_process_loss", std::numeric_limits<double>::quiet_NaN()}};
}

// One of the ranks that a launcher has started.
int bench_as_rank(const DistArguments& arguments, Ranks& ranks) {
  const StepBenchmark benchmark =
      step_benchmark_of(arguments.step, arguments.step.batch * ranks.world_size(), arguments.settings);
  if (arguments.step.threads > 0) set_num_threads(arguments.step.threads);
  const Collectives& collectives = connect_ranks(ranks, select_device(benchmark.config.train.device), {},
                                                 arguments.agreement, arguments.step.threads);
  if (collectives.rank() == 0) require_output_of(arguments.step);
  const StepBenchmarkResult result = run_benchmark(benchmark, collectives);
  if (collectives.rank() == 0)
    write_result(arguments.step.json, to_json(numbers_of(result, collectives.world_size())));
  return 0;
}

/// A new folder for results, until the end of its scope.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "cloob-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw_user_error("'{}': {}", name, describe_errno(errno));
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The command line of a benchmark in processes of its own, whose memory is free again for the next one.
std::vector<std::string> command_line(const std::string& name, const DistArguments& arguments,
                                      std::int64_t batch, std::int64_t threads, const std::string& json) {
  const StepArguments& step = arguments.step;
  std::vector<std::string> words = {std::filesystem::read_symlink("/proc/self/exe").string(), "bench", name};
  const auto add = [&](const std::string& option, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {option, value});
  };
  add("--model", step.model);
  add("--objective", std::string(enum_name(step.objective.value())));
  add("--batch", std::to_string(batch));
  add("--steps", std::to_string(step.steps));
  add("--precision", std::string(enum_name(step.precision)));
  add("--caption-tokens", step.caption_tokens);
  add("--captions", step.captions);
  add("--threads", std::to_string(threads));
  add("--json", json);
  words.insert(words.end(), arguments.settings.begin(), arguments.settings.end());
  return words;
}

// Runs a command as ranks of this machine; returns the numbers that it writes.
nlohmann::ordered_json measure(std::int64_t num_ranks, std::vector<std::string> command,
                               const std::filesystem::path& json) {
  const int status = launch({.num_ranks = num_ranks, .command = std::move(command)});
  if (status != 0)
    throw_user_error("the benchmark of {} ended with status {}", num_ranks == 1 ? "one process" : "the ranks",
                     status);
  return parse_json<nlohmann::ordered_json>(read_file(json));
}

int bench_dist(const DistArguments& arguments, Ranks& ranks) {
  if (ranks.world_size() > 1) return bench_as_rank(arguments, ranks);
  require_output_of(arguments.step);
  const StepArguments& step = arguments.step;
  const std::int64_t num_ranks = arguments.num_ranks;
  static_cast<void>(
      step_benchmark_of(step, step.batch * num_ranks, arguments.settings));  // mistakes are told once
  const TemporaryFolder folder;
  const auto alone_json = folder.path() / "alone.json", ranks_json = folder.path() / "ranks.json";
  log_info("bench", "one process, {} pairs", step.batch * num_ranks);
  const auto alone = measure(
      1,
      command_line("step", arguments, step.batch * num_ranks, step.threads * num_ranks, alone_json.string()),
      alone_json);
  log_info("bench", "{} ranks, {} pairs each", num_ranks, step.batch);
  auto result = measure(
      num_ranks, command_line("dist", arguments, step.batch, step.threads, ranks_json.string()), ranks_json);
  result["single_process_samples_s"] = alone["samples_s"];
  result["single_process_loss"] = alone["loss"];
  write_result(step.json, result.dump());
  return 0;
}

}  // namespace

void add_bench_step(CLI::App& group, Action& action, Ranks& ranks, const CaptionLengths& caption_lengths) {
  CLI::App* const command =
      group.add_subcommand("step", "Time and memory of a training step on synthetic data");
  const auto arguments = std::make_shared<StepArguments>();
  arguments->lengths_of = caption_lengths;
  add_step_arguments(*command, *arguments);
  command->callback([command, arguments, &action, &ranks] {
    action = [command, arguments, &ranks] { return bench_step(*arguments, command->remaining(), ranks); };
  });
}

void add_bench_dist(CLI::App& group, Action& action, Ranks& ranks, const CaptionLengths& caption_lengths) {
  CLI::App* const command = group.add_subcommand(
      "dist",
      "Speed of a training step on several ranks of this machine, and in one process with as many pairs; started by a "
      "launcher, on its ranks only");
  const auto arguments = std::make_shared<DistArguments>();
  command->add_option("--nproc", arguments->num_ranks, "Ranks; those of the launcher win")
      ->capture_default_str()
      ->check(CLI::Range(2, 4096));
  arguments->step.lengths_of = caption_lengths;
  add_step_arguments(*command, arguments->step);
  command->get_option("--batch")->description("Pairs per rank and step");
  command->get_option("--threads")->description("CPU threads per rank; 0 shares all cores");
  command->callback([command, arguments, &action, &ranks] {
    arguments->settings = command->remaining();
    action = [command, arguments, &ranks] {
      arguments->agreement = agreement_of(*command);
      return bench_dist(*arguments, ranks);
    };
  });
}

}  // namespace cloob
