#include "train/training_parts.h"

#include <utility>

#include "cloob/base/error.h"
#include "cloob/base/text.h"
#include "cloob/data/preprocess.h"
#include "cloob/data/source.h"
#include "cloob/model/weights.h"
#include "cloob/train/import_model.h"

namespace cloob {

Loader make_train_loader(const RunConfig& config, const std::shared_ptr<const Tokenizer>& tokenizer) {
  if (config.data.train.empty()) {
    throw_user_error("data.train is not set: name tar shards or a table, for example --data.train 'cc3m/{{00000..00331}}.tar'");
  }
  std::shared_ptr<const Source> source = make_source(config.data, config.data.train, Purpose::training);
  steps_per_epoch(config.train, source->size());  // too little data is an error in the words of the settings
  Preprocess preprocess = with_text(make_image_preprocess(config.image, Purpose::training, config.model.image.image_size,
                                                          config.data.max_image_pixels),
                                    tokenizer, config.model.text.context_length);
  return Loader(std::move(source), std::move(preprocess),
                make_loader_options(config.data, Purpose::training, config.train.global_batch_size,
                                    static_cast<std::uint64_t>(config.train.seed)));
}

DualEncoder make_model(const RunConfig& config, c10::Device device) {
  DualEncoder model(config.model, Initializer::drawn(static_cast<std::uint64_t>(config.train.seed)));
  model->set_inv_tau(config.loss.inv_tau, config.loss.learn_inv_tau);
  if (!config.train.initial_weights.empty()) {
    load_weights(model, read_initial_weights(config.train.initial_weights), config.train.initial_weights);
    if (!config.loss.learn_inv_tau) model->set_inv_tau(config.loss.inv_tau, /*learned=*/false);
  }
  model->to(device);
  model->train();
  return model;
}

}  // namespace cloob
