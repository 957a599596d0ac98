// What every command that uses a trained model asks for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cloob/eval/feature_encoder.h"
#include "cloob/nn/autocast.h"
#include "cloob/nn/device.h"
#include "cloob/train/load_model.h"

namespace CLI {
class App;
}

namespace cloob {

struct ModelArguments {
  std::string checkpoint;
  std::string device = "auto";
  std::string precision = "fp32";
  std::string activation;
  std::int64_t batch_size = 64;
  std::int64_t threads = 0;
};

/// Adds the checkpoint as a positional argument, and the options.
void add_model_arguments(CLI::App& command, ModelArguments& arguments);

struct OpenedModel {
  LoadedModel loaded;
  FeatureEncoder encoder;
  EncodeOptions options;
};

/// Loads the model. The data settings of its training are not taken over: they say nothing about other data. Throws
/// UserError.
OpenedModel open_model(const ModelArguments& arguments);

/// Reads "--data.section.key VALUE" pairs, which set anything of the section `data`. Throws UserError.
DataConfig read_data_settings(const std::vector<std::string>& arguments);

}  // namespace cloob
