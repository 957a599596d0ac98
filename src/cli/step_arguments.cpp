#include "cli/step_arguments.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cli/output_file.h"
#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "cloob/run/dry_run.h"
#include "cloob/run/model_file.h"

namespace cloob {
namespace {

RunConfig read_run(const StepArguments& arguments, std::int64_t global_batch,
                   const std::vector<std::string>& settings) {
  ConfigSource source = ConfigSource::from_file(find_model_file(arguments.model));
  const auto [loss, retrieval] = kinds_of(arguments.objective.value());
  source.add_overrides({{"train.global_batch_size", std::to_string(global_batch)},
                        {"train.precision", std::string(enum_name(arguments.precision))},
                        {"train.steps", "1"},
                        {"loss.kind", std::string(enum_name(loss))},
                        {"retrieval.kind", std::string(enum_name(retrieval))}});
  source.add_overrides(parse_overrides(settings));
  Origins origins;
  RunConfig config = read_config<RunConfig>(source, origins);
  warn_without_effect(settings_without_effect(config, origins));
  return config;
}

std::vector<std::int64_t> caption_lengths(const StepArguments& arguments, const RunConfig& config) {
  if (const auto number = parse_integer(arguments.caption_tokens)) {
    if (!arguments.captions.empty())
      warn_without_effect({fmt::format("--captions (--caption-tokens is {})", *number)});
    return {*number};
  }
  if (!arguments.lengths_of)
    throw_user_error("--caption-tokens is '{}': give a number", arguments.caption_tokens);
  if (arguments.captions.empty()) {
    throw_user_error(
        "--caption-tokens is '{}': give a number, or a text file with one caption per line as --captions",
        arguments.caption_tokens);
  }
  std::vector<std::int64_t> lengths = arguments.lengths_of(arguments.captions, config);
  if (lengths.empty()) throw_user_error("'{}' has no captions", arguments.captions);
  return lengths;
}

}  // namespace

void add_step_arguments(CLI::App& command, StepArguments& arguments) {
  command.add_option("--model", arguments.model, "Name of a file in configs/model, or a YAML file")
      ->required();
  add_enum_option<ObjectiveSystem>(command, "--objective", arguments.objective,
                                   "The training objective (default: clip)");
  command.add_option("--batch", arguments.batch, "Pairs per step")
      ->capture_default_str()
      ->check(CLI::Range(2, 1'000'000'000));
  command.add_option("--steps", arguments.steps, "Timed steps, after two warm-up steps")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  add_enum_option<Precision>(command, "--precision", arguments.precision, "train.precision");
  command
      .add_option("--caption-tokens", arguments.caption_tokens,
                  "Tokens per caption, start and end included; any word, for example flickr8k, uses the "
                  "lengths of --captions")
      ->capture_default_str();
  if (arguments.lengths_of)
    command.add_option("--captions", arguments.captions, "Text file with one caption per line");
  command.add_option("--threads", arguments.threads, "CPU threads; 0 means all cores")
      ->capture_default_str()
      ->check(CLI::Range(0, 4096));
  add_json_option(command, arguments.json);
  command.allow_extras();
  command.footer("--section.key VALUE sets any setting of 'cloob train'.");
}

StepBenchmark step_benchmark_of(const StepArguments& arguments, std::int64_t global_batch,
                                const std::vector<std::string>& settings) {
  RunConfig config = read_run(arguments, global_batch, settings);
  std::vector<std::int64_t> lengths = caption_lengths(arguments, config);
  return {.config = std::move(config), .steps = arguments.steps, .caption_lengths = std::move(lengths)};
}

}  // namespace cloob
