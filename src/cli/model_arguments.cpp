#include "cli/model_arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <system_error>
#include <tuple>
#include <utility>

#include "cli/commands.h"
#include "cli/enum_option.h"
#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/json.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/checkpoint.h"
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

// The newest checkpoint of a run may become another one while the ranks read it: rank 0 decides.
std::string checkpoint_of_all(const ModelArguments& arguments, const Collectives& collectives) {
  namespace fs = std::filesystem;
  if (collectives.world_size() == 1) return arguments.checkpoint;
  if (collectives.rank() > 0) return broadcast_text(collectives, "");
  fs::path path = resolve_checkpoint(arguments.checkpoint).path;
  std::error_code ignored;
  if (fs::is_symlink(path, ignored)) path = path.parent_path() / fs::read_symlink(path);
  return broadcast_text(collectives, path.string());
}

// The ranks may have different files of the same name. Their sums are rounded differently with other numbers of threads.
void require_same_weights(const TrainingTask& task, const ModelArguments& arguments,
                          const Collectives& collectives) {
  if (collectives.world_size() == 1) return;
  double sum = 0;
  for (const auto& [name, weight] : task.weights())
    sum += weight.detach().abs().sum(at::kDouble).item<double>();
  const double largest = collectives.max(sum), smallest = -collectives.max(-sum);
  if (largest - smallest <= 1e-9 * largest || std::isnan(sum)) return;
  throw_user_error("'{}' does not have the same weights on all ranks", arguments.checkpoint);
}

}  // namespace

void add_model_arguments(CLI::App& command, ModelArguments& arguments) {
  command
      .add_option("checkpoint", arguments.checkpoint,
                  "Checkpoint folder, run folder (uses its newest checkpoint) or weights file")
      ->required();
  add_model_options(command, arguments);
}

void add_model_options(CLI::App& command, ModelArguments& arguments) {
  add_compute_options(command, arguments);
  command.add_option("--batch-size", arguments.batch_size, "Images or texts encoded at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
}

void add_refinement_options(CLI::App& command, ModelArguments& arguments) {
  RefinementOptions& options = arguments.refinement;
  const char* const group = "Refinement of features with a memory (RECO)";
  command
      .add_option(
          "--memory", options.memory,
          "Folder of a memory ('cloob memory build'); of a run with task.kind reco: another one than in training")
      ->group(group);
  command.add_option("--memory-k", options.k, "Pairs that are retrieved (reco.k)")
      ->check(CLI::Range(1, 1024))
      ->group(group);
  add_enum_option<RefinedSides>(command, "--refine", options.refine,
                                "Which features are refined (reco.refine)")
      ->group(group);
  add_enum_option<PromptRefinement>(command, "--refine-prompts", options.refine_prompts,
                                    "Whether each prompt is refined, or their mean (reco.refine_prompts)")
      ->group(group);
  add_enum_option<RelativeModality>(command, "--memory-search", options.search,
                                    "What queries are compared with (reco.search)")
      ->group(group);
  add_enum_option<RelativeModality>(command, "--memory-fuse", options.fuse, "What is fused (reco.fuse)")
      ->group(group);
  command
      .add_option("--mean-weight", options.mean_weight,
                  "Weight of what is retrieved, for a model that was not trained with a memory")
      ->check(CLI::Range(0.0, 1.0))
      ->group(group);
}

void add_compute_options(CLI::App& command, ModelArguments& arguments) {
  add_enum_option<DeviceChoice>(command, "--device", arguments.device, "Where to compute");
  add_enum_option<Precision>(command, "--precision", arguments.precision, "Compute precision of the towers");
  add_enum_option<Activation>(command, "--activation", arguments.activation,
                              "Activation of a weights file of another program, which does not specify it");
  command.add_option("--threads", arguments.threads, "CPU threads; 0 means all cores")
      ->capture_default_str()
      ->check(CLI::Range(0, 4096));
}

OpenedModel open_model(const ModelArguments& arguments, const std::string& label,
                       const Collectives& collectives) {
  if (arguments.threads > 0) set_num_threads(arguments.threads);
  const c10::Device device = select_device(arguments.device);
  LoadedModel loaded = load_model(checkpoint_of_all(arguments, collectives), collectives, device,
                                  arguments.activation, arguments.refinement);
  require_same_weights(*loaded.task, arguments, collectives);
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

void add_refinement(nlohmann::ordered_json& result, const OpenedModel& opened) {
  if (const std::string refinement = refinement_json(opened.loaded); !refinement.empty())
    result.update(parse_json<nlohmann::ordered_json>(refinement));
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
