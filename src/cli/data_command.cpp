// cloob data render-shapes

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <thread>

#include "cli/commands.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/shapes_dataset.h"

namespace cloob {
namespace {

struct ShapesArguments {
  std::string folder;
  ShapesConfig shapes;
  ShapesDatasetSize size{.num_train = 8192, .num_validation = 1024, .num_held_out = 1024};
};

int render_shapes(const ShapesArguments& arguments) {
  const auto threads = static_cast<std::int64_t>(std::thread::hardware_concurrency());
  write_shapes_dataset(arguments.folder, arguments.shapes, arguments.size, threads);
  log_info("data", "{} training, {} validation and {} held-out pictures of {} pixels written to {}",
           with_thousands(arguments.size.num_train), with_thousands(arguments.size.num_validation),
           with_thousands(arguments.size.num_held_out), arguments.shapes.image_size, arguments.folder);
  return 0;
}

}  // namespace

void add_data_commands(CLI::App& app, Action& action) {
  CLI::App* const group = app.add_subcommand("data", "Make and look at data");
  group->require_subcommand(1);
  CLI::App* const command =
      group->add_subcommand("render-shapes", "Render the built-in data set of coloured shapes with captions");
  const auto arguments = std::make_shared<ShapesArguments>();
  const CLI::Range at_least_0(0, 1'000'000'000);
  command->add_option("folder", arguments->folder, "New folder to write to")->required();
  command->add_option("--image-size", arguments->shapes.image_size, "Side of the pictures in pixels")
      ->capture_default_str()
      ->check(CLI::Range(16, 1024));
  command->add_option("--seed", arguments->shapes.seed, "Another seed gives other pictures and captions")
      ->capture_default_str()
      ->check(CLI::Range(0LL, 4294967295LL));
  command->add_option("--train", arguments->size.num_train, "Training pictures")
      ->capture_default_str()
      ->check(at_least_0);
  command
      ->add_option("--validation", arguments->size.num_validation,
                   "Validation pictures of the training classes")
      ->capture_default_str()
      ->check(at_least_0);
  command
      ->add_option("--held-out", arguments->size.num_held_out,
                   "Pictures of classes that training never shows")
      ->capture_default_str()
      ->check(at_least_0);
  command->add_option("--samples-per-shard", arguments->size.samples_per_shard, "Pictures in one shard")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000'000));
  command->callback([arguments, &action] { action = [arguments] { return render_shapes(*arguments); }; });
}

}  // namespace cloob
