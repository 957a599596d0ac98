// cloob data pack|split

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/data_settings.h"
#include "cli/model_arguments.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/pack.h"
#include "cloob/data/split.h"
#include "cloob/report/progress.h"
#include "cloob/train/stop_signal.h"

namespace cloob {
namespace {

struct PackArguments {
  DataArguments source;
  std::string out;
  PackOptions packing;
  std::optional<std::string> max_bad_share;
};

struct SplitArguments {
  PackArguments common;
  std::string parts;
  std::uint64_t seed = 0;
  bool pack = false;
};

DataConfig data_settings(const PackArguments& arguments) {
  DataArguments source = arguments.source;
  if (arguments.max_bad_share) source.settings.push_back("--data.max_bad_share=" + *arguments.max_bad_share);
  return read_data_settings(source);
}

// Runs `work` with hooks that show progress and end it at SIGINT and the like.
template <class Work>
auto run_with_hooks(const std::string& label, const Work& work) {
  ProgressDisplay display(ProgressStyle::auto_, /*every_steps=*/10'000);
  const StopSignal stop_signal;
  const PackHooks hooks = {.progress = display.counter(label, "sample"),
                           .stop_requested = [] { return StopSignal::received() != 0; }};
  auto result = work(hooks);
  display.finish();
  return result;
}

int say_stopped(const std::string& folder) {
  log_info("data", "stopped; the same command with --resume goes on in {}", folder);
  return 128 + StopSignal::received();
}

void say_what_was_left_out(const BadSampleCounts& bad) {
  if (bad.total() == 0) return;
  log_warning("data", "{} unusable samples were left out: {}; for example {}", with_thousands(bad.total()),
              bad.by_kind(), bad.first_examples());
}

int pack(const PackArguments& arguments) {
  const DataConfig data = data_settings(arguments);
  const PackResult result = run_with_hooks("pack", [&](const PackHooks& hooks) {
    return pack_data(data, arguments.source.names, arguments.out, arguments.packing, hooks);
  });
  if (result.stopped) return say_stopped(arguments.out);
  say_what_was_left_out(result.bad);
  const std::string kept = result.num_kept_shards == 0 ? ""
                                                       : fmt::format(", of which {} were there before",
                                                                     with_thousands(result.num_kept_shards));
  log_info("data", "{} samples in {} shards{} are in {}", with_thousands(result.num_samples),
           with_thousands(result.num_shards), kept, arguments.out);
  return 0;
}

int split(const SplitArguments& arguments) {
  const PackArguments& common = arguments.common;
  const SplitOptions options = {parse_split_parts(arguments.parts), arguments.seed, arguments.pack,
                                common.packing};
  const DataConfig data = data_settings(common);
  const SplitResult result = run_with_hooks("split", [&](const PackHooks& hooks) {
    return split_data(data, common.source.names, common.out, options, hooks);
  });
  if (result.stopped && !result.num_samples.empty()) return say_stopped(common.out);
  if (result.stopped) {
    log_info("data", "stopped; nothing is written");
    return 128 + StopSignal::received();
  }
  say_what_was_left_out(result.bad);
  for (const auto& [name, count] : result.num_samples) {
    log_info("data", "{} samples in the part {} of {}", with_thousands(count), name, common.out);
  }
  return 0;
}

void add_common_options(CLI::App& command, PackArguments& arguments) {
  command
      .add_option("source", arguments.source.names,
                  "Tables (.csv, .tsv), of which rows with the same image become one sample; tar shards; or "
                  "folders of "
                  "pictures with x.txt or x.json beside x.jpg")
      ->required();
  command.add_option("--out", arguments.out, "New folder to write to")->required();
  command
      .add_option("--samples-per-shard", arguments.packing.samples_per_shard,
                  "At most so many samples in a shard; all have the same number, give or take one")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000'000));
  command
      .add_option("--resize", arguments.packing.resize,
                  "Reduce pictures to so many pixels on the shorter side; none is enlarged")
      ->check(CLI::Range(1, 65'500));
  command.add_option("--quality", arguments.packing.quality, "JPEG quality of pictures that are reduced")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  command.add_option("--shuffle", arguments.packing.shuffle_seed,
                     "Mix all samples, by this seed; they stay in their order if not given");
  command.add_flag("--resume", arguments.packing.resume,
                   "Go on where the same command was stopped: shards that are whole are kept");
  command.add_option("--image-root", arguments.source.image_root,
                     "Folder that image paths of a table start from");
  command.add_option("--max-bad-share", arguments.max_bad_share,
                     "Share of unusable samples above which to stop: data.max_bad_share");
  command
      .add_option("--threads", arguments.source.threads,
                  "Samples made ready at the same time; 0 takes all processors")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  add_data_settings(command, arguments.source.settings);
}

void add_split_command(CLI::App& group, Action& action) {
  CLI::App* const command = group.add_subcommand(
      "split", "Cut data into parts, for training and validation: a table into tables, all else into shards");
  const auto arguments = std::make_shared<SplitArguments>();
  command
      ->add_option(
          "--parts", arguments->parts,
          "Names and shares, train=0.98,val=0.02 for example. A sample's part depends on its name, so "
          "that the shares are met as closely as chance allows")
      ->required();
  command->add_option("--seed", arguments->seed, "Another seed cuts in another way")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 9e15));
  command->add_flag("--pack", arguments->pack, "Write shards, not tables");
  add_common_options(*command, arguments->common);
  command->callback([arguments, command, &action] {
    take_unknown_settings(*command, arguments->common.source.settings);
    action = [arguments] { return split(*arguments); };
  });
}

}  // namespace

void add_data_pack_commands(CLI::App& group, Action& action) {
  CLI::App* const command =
      group.add_subcommand("pack", "Write data into tar shards of equal size, in the layout of webdataset");
  const auto arguments = std::make_shared<PackArguments>();
  add_common_options(*command, *arguments);
  command->callback([arguments, command, &action] {
    take_unknown_settings(*command, arguments->source.settings);
    action = [arguments] { return pack(*arguments); };
  });
  add_split_command(group, action);
}

}  // namespace cloob
