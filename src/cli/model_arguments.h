// What every command that uses a trained model asks for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloob/config/source.h"
#include "cloob/data/data_config.h"
#include "cloob/eval/feature_encoder.h"
#include "cloob/nn/activation.h"
#include "cloob/nn/autocast.h"
#include "cloob/nn/device.h"
#include "cloob/report/progress.h"
#include "cloob/train/load_model.h"

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
};

/// Adds the checkpoint as a positional argument, and the options.
void add_model_arguments(CLI::App& command, ModelArguments& arguments);

struct OpenedModel {
  LoadedModel loaded;
  FeatureEncoder encoder;
  EncodeOptions options;                     ///< shows progress on standard error
  std::shared_ptr<ProgressDisplay> display;  ///< to be finished before results are printed
};

/// Loads the model. The data settings of its training are not taken over: they say nothing about other data.
/// `label` names the work where progress is shown. Throws UserError.
OpenedModel open_model(const ModelArguments& arguments, const std::string& label);

/// What a command that reads tables or shards is told about them.
struct DataArguments {
  std::vector<std::string> names;     ///< as for data.train
  std::string image_root;             ///< data.image_root, if not empty
  std::int64_t threads = 0;           ///< where data.threads is not set
  std::vector<std::string> settings;  ///< --data.section.key=VALUE
};

/// Settings of the section `data` for such a command; the names become its `val`. Warns of those without
/// effect; `data.train`, `data.val` and other sections are refused. Throws UserError.
DataConfig read_data_settings(const DataArguments& arguments);

/// The same for folders of images: takes only those settings that count for them. Throws UserError.
DataConfig read_image_settings(const std::vector<Override>& overrides);

}  // namespace cloob
