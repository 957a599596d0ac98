// cloob bench recall

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/output_file.h"
#include "cli/seed_option.h"
#include "cloob/device/device.h"
#include "cloob/eval/recall_benchmark.h"

namespace cloob {
namespace {

struct RecallArguments {
  RecallBenchmark benchmark;
  std::int64_t threads = 0;
  std::string json;
};

int bench_recall(const RecallArguments& arguments) {
  require_output(arguments.json, OutputKind::json, {});
  if (arguments.threads > 0) set_num_threads(arguments.threads);
  write_result(arguments.json, to_json(benchmark_recall(arguments.benchmark)));
  return 0;
}

}  // namespace

void add_bench_recall(CLI::App& group, Action& action) {
  CLI::App* const command =
      group.add_subcommand("recall", "Image-text retrieval of random features: time and memory");
  const auto arguments = std::make_shared<RecallArguments>();
  RecallBenchmark& benchmark = arguments->benchmark;
  const CLI::Range rows(std::int64_t{1}, std::int64_t{1'000'000'000});
  command->add_option("--images", benchmark.num_images, "Images")->capture_default_str()->check(rows);
  command->add_option("--texts", benchmark.num_texts, "Texts, at least as many")
      ->capture_default_str()
      ->check(rows);
  command->add_option("--dim", benchmark.dim, "Dimension of the features")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  add_seed_option(*command, benchmark.seed, "Seed of the features");
  command->add_option("--threads", arguments->threads, "CPU threads; 0 means all cores")
      ->capture_default_str()
      ->check(CLI::Range(0, 4096));
  add_json_option(*command, arguments->json);
  command->callback([arguments, &action] { action = [arguments] { return bench_recall(*arguments); }; });
}

}  // namespace cloob
