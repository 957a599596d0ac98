// cloob data render-shapes|index|list

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "cli/commands.h"
#include "cli/data_settings.h"
#include "cli/model_arguments.h"
#include "cli/seed_option.h"
#include "cli/usage.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/loader/loader.h"
#include "cloob/data/tar/index_shards.h"
#include "cloob/prepare/rare_shapes.h"
#include "cloob/prepare/shapes_dataset.h"
#include "cloob/report/progress.h"

namespace cloob {
namespace {

struct ShapesArguments {
  std::string folder;
  ShapesConfig shapes;
  ShapesDatasetSize size{.num_train = 8192, .num_validation = 1024, .num_held_out = 1024};
};

int render_shapes(const ShapesArguments& arguments) {
  const auto threads = static_cast<std::int64_t>(std::thread::hardware_concurrency());
  constexpr std::int64_t kNumClasses = 64;
  if (arguments.size.num_probe > 0 && arguments.size.num_probe < kNumClasses) {
    throw_user_error(
        "--attributes is {}, must be 0 or at least {}: the number of combinations of color and shape",
        arguments.size.num_probe, kNumClasses);
  }
  const RareShapesSize& rare = arguments.size.rare;
  if (rare.num_names % 2 != 0) {
    throw_user_error(
        "--rare-names is {}, must be even: one half of the names is for training, the other for testing",
        rare.num_names);
  }
  write_shapes_dataset(arguments.folder, arguments.shapes, arguments.size, threads);
  const ShapesDatasetSize& size = arguments.size;
  const std::string probes = size.num_probe > 0 ? fmt::format(", and {} for probes of each attribute",
                                                              with_thousands(2 * size.num_probe))
                                                : "";
  const std::string names =
      rare.num_names > 0 ? fmt::format(", and those of {} rare names", rare.num_names) : "";
  log_info("data", "{} training, {} validation and {} held-out images{}{} of {} pixels written to {}",
           with_thousands(size.num_train), with_thousands(size.num_validation),
           with_thousands(size.num_held_out), probes, names, arguments.shapes.image_size, arguments.folder);
  return 0;
}

struct IndexArguments {
  DataArguments shards;
  std::string folder;
};

int index_data(const IndexArguments& arguments) {
  const DataConfig data = read_data_settings(arguments.shards);
  ProgressDisplay display(ProgressStyle::auto_);
  const auto files = index_shards(arguments.shards.names, arguments.folder, data.threads,
                                  display.counter("index", "shard"), data.stream);
  display.finish();
  for (const auto& file : files) log_info("data", "'{}' is up to date", file.string());
  return 0;
}

struct ListArguments {
  DataArguments source;
  std::int64_t epoch = 0;
  std::int64_t limit = 0;
  LoaderOptions loader;
};

// Follows the sample order of training without decoding anything.
Preprocess without_pixels() {
  Preprocess preprocess;
  preprocess.image_size = 1;
  preprocess.image = [](std::span<const std::byte>, RandomStream&, std::span<float>) {};
  return preprocess;
}

int list_data(const ListArguments& arguments) {
  const DataConfig data = read_data_settings(arguments.source);
  const auto source = make_source(data, arguments.source.names, Purpose::training);
  const std::int64_t batch =
      arguments.loader.batch_size > 0 ? arguments.loader.batch_size : arguments.loader.world_size;
  LoaderOptions options = make_loader_options(data, Purpose::training, batch, arguments.loader.seed);
  options.rank = arguments.loader.rank;
  options.world_size = arguments.loader.world_size;
  if (options.rank >= options.world_size) {
    throw_user_error("--rank is {}: with --ranks {} it must be 0 to {}", options.rank, options.world_size,
                     options.world_size - 1);
  }
  Loader loader(source, without_pixels(), options);
  loader.seek(arguments.epoch * loader.places_per_epoch());
  std::int64_t num_listed = 0;
  for (std::int64_t k = loader.batches_per_epoch(); k > 0; --k) {
    for (const std::string& key : loader.next().keys) {
      if (arguments.limit > 0 && num_listed == arguments.limit) return 0;
      fmt::print("{}\n", key);
      ++num_listed;
    }
  }
  return 0;
}

void add_index_command(CLI::App& group, Action& action) {
  CLI::App* const command =
      group.add_subcommand("index", "Scan shards once, so that runs do not have to do it when they start");
  const auto arguments = std::make_shared<IndexArguments>();
  command->add_option("shards", arguments->shards.names, "Tar shards, as for data.train")->required();
  command->add_option(
      "--out", arguments->folder,
      "Folder for the index files, to be set as data.index_folder; default: next to the shards");
  command
      ->add_option("--threads", arguments->shards.threads, "Shards read in parallel; 0 uses all processors")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  add_data_settings(*command, arguments->shards.settings);
  command->callback([command, arguments, &action] {
    take_unknown_settings(*command, arguments->shards.settings);
    action = [command, arguments] {
      reject_misspelled_options(*command);
      return index_data(*arguments);
    };
  });
}

void add_list_command(CLI::App& group, Action& action) {
  CLI::App* const command =
      group.add_subcommand("list", "Print the names of the samples in the order in which training sees them");
  const auto arguments = std::make_shared<ListArguments>();
  const CLI::Range at_least_0(std::int64_t{0}, std::int64_t{1'000'000'000'000});
  const CLI::Range at_least_1(std::int64_t{1}, std::int64_t{1'000'000'000});
  command->add_option("source", arguments->source.names, "Tables or tar shards, as for data.train")
      ->required();
  command->add_option("--epoch", arguments->epoch, "Epoch, from 0")->capture_default_str()->check(at_least_0);
  command->add_option("--limit", arguments->limit, "Maximum number of names; 0 lists the whole epoch")
      ->capture_default_str()
      ->check(at_least_0);
  command
      ->add_option("--batch", arguments->loader.batch_size,
                   "Pairs in a global batch (train.global_batch_size); default: one per rank")
      ->check(at_least_1);
  command->add_option("--ranks", arguments->loader.world_size, "Processes that share a global batch")
      ->capture_default_str()
      ->check(at_least_1);
  command->add_option("--rank", arguments->loader.rank, "Process whose samples are listed, from 0")
      ->capture_default_str()
      ->check(at_least_0);
  add_seed_option(*command, arguments->loader.seed, "train.seed");
  command->add_option("--threads", arguments->source.threads, "Loader threads; they do not affect the order")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  add_data_settings(*command, arguments->source.settings);
  command->callback([command, arguments, &action] {
    take_unknown_settings(*command, arguments->source.settings);
    action = [command, arguments] {
      reject_misspelled_options(*command);
      return list_data(*arguments);
    };
  });
}

}  // namespace

void add_data_commands(CLI::App& app, Action& action) {
  CLI::App* const group = app.add_subcommand("data", "Create and inspect data");
  group->require_subcommand(1);
  add_index_command(*group, action);
  add_list_command(*group, action);
  add_data_inspect_command(*group, action);
  add_data_pack_commands(*group, action);
  CLI::App* const command =
      group->add_subcommand("render-shapes", "Render the built-in data set of coloured shapes with captions");
  const auto arguments = std::make_shared<ShapesArguments>();
  const CLI::Range at_least_0(0, 1'000'000'000);
  command->add_option("folder", arguments->folder, "New folder to write to")->required();
  command->add_option("--image-size", arguments->shapes.image_size, "Image side in pixels")
      ->capture_default_str()
      ->check(CLI::Range(16, 1024));
  command->add_option("--seed", arguments->shapes.seed, "Seed of the images and captions")
      ->capture_default_str()
      ->check(CLI::Range(0LL, 4294967295LL));
  command->add_option("--train", arguments->size.num_train, "Training images")
      ->capture_default_str()
      ->check(at_least_0);
  command
      ->add_option("--validation", arguments->size.num_validation,
                   "Validation images of the training classes")
      ->capture_default_str()
      ->check(at_least_0);
  command
      ->add_option("--held-out", arguments->size.num_held_out,
                   "Images of classes that are not in the training set")
      ->capture_default_str()
      ->check(at_least_0);
  command->add_flag(
      "--shape-follows-color", arguments->shapes.shape_follows_color,
      "Training and validation: every color always has the same shape, so that the color alone identifies "
      "a pair");
  command
      ->add_option("--attributes", arguments->size.num_probe,
                   "Images of all colors with all shapes in attributes/{color,shape}/train, and as many in "
                   ".../test, to probe what features tell of each (default: none)")
      ->check(at_least_0);
  RareShapesSize& rare = arguments->size.rare;
  command
      ->add_option("--rare-names", rare.num_names,
                   "Made-up names for kinds of shapes, an even number: pairs of all of them for a memory in "
                   "rare/memory, of one half for training in rare/train, and images to test on in rare/test "
                   "(default: none)")
      ->check(CLI::Range(std::int64_t{0}, kMaxRareNames));
  const CLI::Range at_least_1(1, 1'000'000);
  command->add_option("--rare-memory", rare.num_memory, "Pairs of each name in rare/memory")
      ->capture_default_str()
      ->check(at_least_1);
  command->add_option("--rare-train", rare.num_train, "Pairs of each name in rare/train")
      ->capture_default_str()
      ->check(at_least_1);
  command
      ->add_option("--rare-test", rare.num_test,
                   "Images of each name in rare/test, and pairs in rare/validation")
      ->capture_default_str()
      ->check(at_least_1);
  command->add_option("--samples-per-shard", arguments->size.samples_per_shard, "Images per shard")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000'000));
  command->callback([arguments, &action] { action = [arguments] { return render_shapes(*arguments); }; });
}

}  // namespace cloob
