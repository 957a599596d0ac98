// Command-line arguments shared by all commands that use a trained model.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cloob/config/source.h"
#include "cloob/data/data_config.h"
#include "cloob/device/autocast.h"
#include "cloob/device/device.h"
#include "cloob/device/shared_machine.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/model/model_config.h"
#include "cloob/report/progress.h"
#include "cloob/run/load_model.h"

namespace CLI {
class App;
}

namespace cloob {

struct ModelArguments {
  std::string checkpoint;
  DeviceChoice device = DeviceChoice::auto_;
  Precision precision = Precision::fp32;
  std::optional<Activation> activation;
  std::int64_t batch_size = 64;
  std::int64_t threads = 0;
  RefinementOptions refinement = {};
};

/// Adds the checkpoint as a positional argument, and the options.
void add_model_arguments(CLI::App& command, ModelArguments& arguments);
/// Adds only the options.
void add_model_options(CLI::App& command, ModelArguments& arguments);
/// Options to refine features with a memory.
void add_refinement_options(CLI::App& command, ModelArguments& arguments);
/// Of these, all but the size of batches.
void add_compute_options(CLI::App& command, ModelArguments& arguments);

struct OpenedModel {
  std::unique_ptr<SharedMachine> shared_machine;
  LoadedModel loaded;
  FeatureEncoder encoder;
  EncodeOptions options;                     ///< shows progress on standard error
  std::shared_ptr<ProgressDisplay> display;  ///< call `finish` before printing results
};

/// Loads the model, the same on all ranks. The data settings of its training are not used, since they do not apply to other data.
/// `label` is shown with the progress. Throws UserError.
OpenedModel open_model(const ModelArguments& arguments, const std::string& label,
                       const Collectives& collectives);

/// Adds to a result how features were refined, if they were: numbers of refined features are of the memory, too.
void add_refinement(nlohmann::ordered_json& result, const OpenedModel& opened);

/// The arguments of a command that reads tables or shards.
struct DataArguments {
  std::vector<std::string> names;     ///< as in data.train
  std::string image_root;             ///< data.image_root, if not empty
  std::int64_t threads = 0;           ///< if data.threads is not set
  std::vector<std::string> settings;  ///< --data.section.key=VALUE
};

/// The settings of the section `data` for such a command, with `names` as `data.val`. Warns about settings
/// without effect and rejects `data.train`, `data.val` and other sections. Throws UserError.
DataConfig read_data_settings(const DataArguments& arguments);

/// The same for folders of images: accepts only the settings that apply to them. Throws UserError.
DataConfig read_image_settings(const std::vector<Override>& overrides);

}  // namespace cloob
