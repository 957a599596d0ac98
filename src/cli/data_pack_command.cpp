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
#include "cli/seed_option.h"
#include "cli/usage.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/prepare/pack.h"
#include "cloob/prepare/split.h"
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

// Runs `work` with hooks that show progress and, once it writes files, stop it when a signal such as SIGINT arrives.
template <class Work>
auto run_with_hooks(const std::string& label, const Work& work) {
  ProgressDisplay display(ProgressStyle::auto_, /*every_steps=*/10'000);
  std::optional<StopSignal> stop_signal;
  const PackHooks hooks = {.opened = [&] { stop_signal.emplace(); },
                           .progress = display.counter(label, "sample"),
                           .stop_requested = [] { return StopSignal::received() != 0; }};
  auto result = work(hooks);
  display.finish();
  return result;
}

int report_stop(const std::string& folder) {
  log_info("data", "stopped; run the same command with --resume to continue in {}", folder);
  return 128 + StopSignal::received();
}

// Readers of shards take the first caption unless they are told otherwise.
void advise_on_captions(std::int64_t max_captions) {
  if (max_captions < 2) return;
  log_info(
      "data",
      "samples have up to {} captions: set data.webdataset.json_caption_field to captions, or only the first "
      "one of each is used",
      max_captions);
}

void report_skipped_samples(const BadSampleCounts& bad) {
  if (bad.total() == 0) return;
  log_warning("data", "{} skipped: {}; for example {}", counted(bad.total(), "unusable sample"),
              bad.by_kind(), bad.first_examples());
}

int pack(const PackArguments& arguments) {
  const DataConfig data = data_settings(arguments);
  const PackResult result = run_with_hooks("pack", [&](const PackHooks& hooks) {
    return pack_data(data, arguments.source.names, arguments.out, arguments.packing, hooks);
  });
  if (result.stopped) return report_stop(arguments.out);
  report_skipped_samples(result.bad);
  const std::string kept = result.num_kept_shards == 0 ? ""
                                                       : fmt::format(", {} of them from an earlier run",
                                                                     with_thousands(result.num_kept_shards));
  log_info("data", "{} holds {} in {}{}", arguments.out, counted(result.num_samples, "sample"),
           counted(result.num_shards, "shard"), kept);
  advise_on_captions(result.max_captions);
  return 0;
}

int split_samples(const SplitArguments& arguments) {
  const PackArguments& common = arguments.common;
  const SplitOptions options = {parse_split_parts(arguments.parts), arguments.seed, arguments.pack,
                                common.packing};
  const DataConfig data = data_settings(common);
  const SplitResult result = run_with_hooks("split", [&](const PackHooks& hooks) {
    return split_data(data, common.source.names, common.out, options, hooks);
  });
  if (result.stopped && !result.num_samples.empty()) return report_stop(common.out);
  if (result.stopped) {
    log_info("data", "stopped; nothing was written");
    return 128 + StopSignal::received();
  }
  report_skipped_samples(result.bad);
  for (const auto& [name, count] : result.num_samples) {
    log_info("data", "{} in part {} of {}", counted(count, "sample"), name, common.out);
  }
  advise_on_captions(result.max_captions);
  return 0;
}

void add_common_options(CLI::App& command, PackArguments& arguments) {
  command
      .add_option(
          "source", arguments.source.names,
          "Tables (.csv, .tsv; rows with the same image become one sample), tar shards, or folders of "
          "images with x.txt or x.json next to x.jpg")
      ->required();
  command.add_option("--out", arguments.out, "New folder to write to")->required();
  command
      .add_option("--samples-per-shard", arguments.packing.samples_per_shard,
                  "Maximum number of samples per shard; shard sizes differ by at most one")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000'000));
  command
      .add_option("--resize", arguments.packing.resize,
                  "Shrink images to this many pixels on the shorter side; none is enlarged")
      ->check(CLI::Range(1, 65'500));
  command.add_option("--quality", arguments.packing.quality, "JPEG quality of the images that are shrunk")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  command.add_option("--shuffle", arguments.packing.shuffle_seed,
                     "Shuffle all samples with this seed; default: keep their order");
  command.add_flag("--resume", arguments.packing.resume,
                   "Continue where the same command was stopped; complete shards are kept");
  command.add_option("--image-root", arguments.source.image_root,
                     "Folder that image paths in a table are relative to");
  command.add_option("--max-bad-share", arguments.max_bad_share,
                     "Fraction of unusable samples above which to stop (data.max_bad_share)");
  command
      .add_option("--threads", arguments.source.threads,
                  "Samples prepared in parallel; 0 uses all processors")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  add_data_settings(command, arguments.source.settings);
}

void add_split_command(CLI::App& group, Action& action) {
  CLI::App* const command = group.add_subcommand(
      "split",
      "Split data into parts, for training and validation: tables into tables, anything else into shards");
  const auto arguments = std::make_shared<SplitArguments>();
  command
      ->add_option(
          "--parts", arguments->parts,
          "Names and fractions, for example train=0.98,val=0.02. A sample's part is decided by a hash of its "
          "name, so the fractions are met only approximately")
      ->required();
  add_seed_option(*command, arguments->seed, "Seed of the split");
  command->add_flag("--pack", arguments->pack, "Write shards instead of tables");
  add_common_options(*command, arguments->common);
  command->callback([arguments, command, &action] {
    take_unknown_settings(*command, arguments->common.source.settings);
    action = [command, arguments] {
      reject_misspelled_options(*command);
      return split_samples(*arguments);
    };
  });
}

}  // namespace

void add_data_pack_commands(CLI::App& group, Action& action) {
  CLI::App* const command =
      group.add_subcommand("pack", "Pack data into tar shards of equal size, in the layout of webdataset");
  const auto arguments = std::make_shared<PackArguments>();
  add_common_options(*command, *arguments);
  command->callback([arguments, command, &action] {
    take_unknown_settings(*command, arguments->source.settings);
    action = [command, arguments] {
      reject_misspelled_options(*command);
      return pack(*arguments);
    };
  });
  add_split_command(group, action);
}

}  // namespace cloob
