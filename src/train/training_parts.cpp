#include "train/training_parts.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/preprocess.h"
#include "cloob/data/source.h"
#include "cloob/model/weights.h"
#include "cloob/report/progress.h"
#include "cloob/train/import_model.h"
#include "cloob/train/stop_signal.h"

namespace cloob {
namespace {

// Weights under another activation fit in every shape and give features of no use.
void require_activation(const InitialWeights& initial, const RunConfig& config) {
  if (initial.activation == config.model.activation) return;
  const std::string_view theirs = enum_name(initial.activation), ours = enum_name(config.model.activation);
  if (initial.activation_is_known) {
    throw_user_error("'{}' was trained with the activation {}, but model.activation is {}: set it to {}",
                     config.train.initial_weights, theirs, ours, theirs);
  }
  log_warning("train", "'{}' does not say its activation and is taken to use {}, but model.activation is {}",
              config.train.initial_weights, theirs, ours);
}

}  // namespace

Loader make_train_loader(const RunConfig& config, const std::shared_ptr<const Tokenizer>& tokenizer) {
  if (config.data.train.empty()) {
    throw_user_error(
        "data.train is not set: name tar shards or a table, for example --data.train "
        "'cc3m/{{00000..00331}}.tar'");
  }
  ProgressDisplay display(config.report.progress);
  std::shared_ptr<const Source> source =
      make_source(config.data, config.data.train, Purpose::training, display.counter("index", "shard"));
  display.finish();
  Preprocess preprocess =
      with_text(make_image_preprocess(config.image, Purpose::training, config.model.image.image_size,
                                      config.data.max_image_pixels),
                tokenizer, config.model.text.context_length);
  LoaderOptions options = make_loader_options(config.data, Purpose::training, config.train.global_batch_size,
                                              static_cast<std::uint64_t>(config.train.seed));
  options.pin_memory = !select_device(config.train.device).is_cpu();
  options.stop_requested = [] { return StopSignal::received() != 0; };
  return Loader(std::move(source), std::move(preprocess), options);
}

DualEncoder make_model(const RunConfig& config, c10::Device device) {
  DualEncoder model(config.model, Initializer::drawn(static_cast<std::uint64_t>(config.train.seed)));
  model->set_inv_tau(config.loss.inv_tau, config.loss.learn_inv_tau);
  if (!config.train.initial_weights.empty()) {
    const InitialWeights initial = read_initial_weights(config.train.initial_weights);
    require_activation(initial, config);
    load_weights(model, initial.tensors, config.train.initial_weights);
    if (!config.loss.learn_inv_tau) model->set_inv_tau(config.loss.inv_tau, /*learned=*/false);
  }
  model->set_recompute(config.train.gradient_checkpointing);
  if (precision_of(config.train) == Precision::pure_bf16) model->store_matrices_as(at::kBFloat16);
  model->to(device);
  if (config.optimizer.image.frozen) model->freeze_image();
  if (config.optimizer.text.frozen) model->freeze_text();
  model->train();
  return model;
}

Validation make_validation(const RunConfig& config, FeatureEncoder encoder,
                           const ContrastiveObjective& objective) {
  Validation validation(config, std::move(encoder), objective);
  const std::string& best = config.checkpoint.best_metric;
  const std::vector<std::string> names = validation.metric_names();
  if (!best.empty() && std::ranges::find(names, best) == names.end()) {
    throw_user_error("checkpoint.best_metric is '{}', which this run does not measure{}; it measures {}",
                     best, suggestion(best, names),
                     names.empty() ? "nothing: set data.val or eval.zero_shot" : join(names, ", "));
  }
  return validation;
}

}  // namespace cloob
