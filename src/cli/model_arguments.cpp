#include "cli/model_arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/config/config.h"
#include "cloob/data/data_config.h"
#include "cloob/run/run_config.h"

namespace cloob {
namespace {

struct DataSettings {
  DataConfig data;

  static constexpr auto fields() {
    return std::tuple(field("data", &DataSettings::data, "Where the pairs come from."));
  }
};
static_assert(lists_every_member<DataSettings>);

DataConfig read_data_section(const std::vector<Override>& overrides, Origins& origins) {
  for (const Override& override_ : overrides) {
    if (override_.name.starts_with("data.")) continue;
    throw_user_error(
        "command line: unknown option --{}: besides the options that --help lists, this command takes only "
        "settings of the section data, such as --data.threads 4",
        override_.name);
  }
  ConfigSource source = ConfigSource::from_text("", "command line");
  source.add_overrides(overrides);
  return read_config<DataSettings>(source, origins).data;
}

}  // namespace

void add_model_arguments(CLI::App& command, ModelArguments& arguments) {
  command
      .add_option("checkpoint", arguments.checkpoint,
                  "Checkpoint folder, run folder (uses its newest checkpoint) or weights file")
      ->required();
  add_enum_option<DeviceChoice>(command, "--device", arguments.device, "Where to compute");
  add_enum_option<Precision>(command, "--precision", arguments.precision, "Compute precision of the towers");
  add_enum_option<Activation>(command, "--activation", arguments.activation,
                              "Activation of a weights file of another program, which does not specify it");
  command.add_option("--batch-size", arguments.batch_size, "Images or texts encoded at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command.add_option("--threads", arguments.threads, "CPU threads; 0 means all cores")
      ->capture_default_str()
      ->check(CLI::Range(0, 4096));
}

OpenedModel open_model(const ModelArguments& arguments, const std::string& label,
                       const Collectives& collectives) {
  if (arguments.threads > 0) set_num_threads(arguments.threads);
  const c10::Device device = select_device(arguments.device);
  LoadedModel loaded = load_model(arguments.checkpoint, collectives, device, arguments.activation);
  const auto display = std::make_shared<ProgressDisplay>(ProgressStyle::auto_);
  EncodeOptions options{.precision = arguments.precision, .batch_size = arguments.batch_size, .data = {}};
  options.data.threads = arguments.threads;
  options.report = [display, label](Progress progress) {
    progress.label = label;
    display->update(progress);
  };
  FeatureEncoder encoder(loaded.features(), loaded.config.image,
                         loaded.has_tokenizer ? make_tokenizer(loaded.config.text) : nullptr);
  return {std::make_unique<SharedMachine>(), std::move(loaded), std::move(encoder), std::move(options),
          display};
}

DataConfig read_data_settings(const DataArguments& arguments) {
  std::vector<Override> overrides = parse_overrides(arguments.settings);
  for (const Override& override_ : overrides) {
    if (override_.name != "data.train" && override_.name != "data.val") continue;
    throw_user_error("command line: --{} is for 'cloob train': name the data as --help says", override_.name);
  }
  if (!arguments.image_root.empty()) overrides.push_back({"data.image_root", arguments.image_root});
  Origins origins;
  DataConfig data = read_data_section(overrides, origins);
  data.val = arguments.names;
  if (data.threads == 0) data.threads = arguments.threads;
  warn_without_effect(settings_without_effect(data, origins));
  return data;
}

DataConfig read_image_settings(const std::vector<Override>& overrides) {
  const std::vector<std::string> used = {"data.max_bad_share", "data.max_image_pixels",
                                         "data.prefetch_batches", "data.threads"};
  Origins origins;
  DataConfig data = read_data_section(overrides, origins);
  for (const auto& [name, origin] : origins) {
    if (std::find(used.begin(), used.end(), name) != used.end()) continue;
    throw_user_error("{}: --{} is for tables and tar shards: this command takes {}", origin, name,
                     join(used, ", "));
  }
  return data;
}

}  // namespace cloob
