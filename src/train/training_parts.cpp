#include "train/training_parts.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/loader/preprocess.h"
#include "cloob/data/source.h"
#include "cloob/device/device.h"
#include "cloob/report/progress.h"
#include "cloob/run/import_model.h"
#include "cloob/train/stop_signal.h"
#include "train/stream_counts.h"

namespace cloob {
namespace {

// Weights trained with a different activation have the same shapes but give useless features.
void require_activation(const InitialWeights& initial, const RunConfig& config) {
  if (initial.activation == config.model.activation) return;
  const std::string_view theirs = enum_name(initial.activation), ours = enum_name(config.model.activation);
  if (initial.activation_is_known) {
    throw_user_error("'{}' was trained with the activation {}, but model.activation is {}: set it to {}",
                     config.train.initial_weights, theirs, ours, theirs);
  }
  log_warning("train",
              "'{}' does not specify its activation and is assumed to use {}, but model.activation is {}",
              config.train.initial_weights, theirs, ours);
}

// The same for what an image tower can have of its own.
void require_image_tower(const InitialWeights& initial, const RunConfig& config) {
  const auto require = [&](std::string_view setting, const auto& theirs, const auto& ours) {
    if (theirs == ours) return;
    throw_user_error("'{}' was trained with {} {}, but it is {} in this run: set it to {}",
                     config.train.initial_weights, setting, theirs, ours, theirs);
  };
  const ModelConfig& model = config.model;
  if (model.image.kind != ImageEncoderKind::vit) return;
  if (initial.image_activation)
    require("model.image.activation", enum_name(*initial.image_activation),
            enum_name(model.image_activation()));
  require("model.image.norm_eps", initial.image_norm_eps.value_or(model.image.norm_eps),
          model.image.norm_eps);
}

// Weights of another number of heads have the same shapes as well.
void require_heads(const InitialWeights& initial, const RunConfig& config) {
  const auto require = [&](const char* what, const std::optional<std::int64_t>& theirs, std::int64_t ours) {
    if (!theirs || *theirs == ours) return;
    throw_user_error("'{}' was trained with {} {}, but the model of this run has {}",
                     config.train.initial_weights, *theirs, what, ours);
  };
  const ImageEncoderConfig& image = config.model.image;
  require("attention heads in the image tower", initial.heads.image, image.heads());
  if (!initial.heads.image)
    require("features per head of the image tower", initial.heads.image_width, image.head_width);
  require("attention heads in the text tower", initial.heads.text, config.model.text.heads);
}

// Shards of a stream are read by one rank each, and the ranks do not get equally many samples.
void warn_of_short_batches(const Loader& loader, std::int64_t batch_size) {
  const RankShares& shares = loader.order().shares();
  const std::int64_t all = loader.batches_per_epoch();
  const std::int64_t full = std::min(all, shares.smallest() * shares.ranks() / batch_size);
  constexpr double kTolerated = 0.05;
  if (static_cast<double>(all - full) <= std::max(1.0, kTolerated * static_cast<double>(all))) return;
  log_warning(
      "data",
      "the shards of the streams cannot be divided evenly over {}: in the last {} of the {} batches of "
      "an epoch, some have no samples left. More and smaller shards, or as many for each rank, avoid that",
      counted(shares.ranks(), "rank"), with_thousands(all - full), with_thousands(all));
}

}  // namespace

std::unique_ptr<Loader> make_train_loader(const RunConfig& config,
                                          const std::shared_ptr<const Tokenizer>& tokenizer,
                                          const Collectives& collectives) {
  if (config.data.train.empty()) {
    throw_user_error(
        "data.train is not set: give tar shards or a table, for example --data.train "
        "'cc3m/{{00000..00331}}.tar'");
  }
  ProgressDisplay display(config.report.progress);
  std::shared_ptr<const Source> source =
      make_source(config.data, config.data.train, Purpose::training, display.counter("index", "shard"),
                  counting_by_rank_0(collectives));
  display.finish();
  Preprocess preprocess =
      with_text(make_image_preprocess(config.image, Purpose::training, config.model.image.image_size,
                                      config.data.max_image_pixels),
                tokenizer, config.model.text.context_length);
  LoaderOptions options = make_loader_options(config.data, Purpose::training, config.train.global_batch_size,
                                              static_cast<std::uint64_t>(config.train.seed));
  options.rank = collectives.rank();
  options.world_size = collectives.world_size();
  options.pin_memory = !select_device(config.train.device).is_cpu();
  options.stop_requested = [] { return StopSignal::received() != 0; };
  auto loader = std::make_unique<Loader>(std::move(source), std::move(preprocess), options);
  warn_of_short_batches(*loader, config.train.global_batch_size);
  return loader;
}

void require_same_data(const Loader& loader, const Collectives& collectives) {
  if (collectives.world_size() == 1) return;
  const Source& source = *loader.source();
  std::string own = with_thousands(loader.samples_per_epoch()) + " samples";
  constexpr std::int64_t kMaxNames = 8;
  const std::int64_t names = source.is_stream() ? 0 : std::min(kMaxNames, source.size());
  for (std::int64_t i = 0; i < names; ++i) {
    const std::int64_t index = i * source.size() / names;
    try {
      own += fmt::format(", number {} is '{}'", with_thousands(index), source.key(index));
    } catch (const BadSample&) {  // counted in training
    }
  }
  const std::string of_rank_0 = broadcast_text(collectives, own);
  if (own != of_rank_0)
    throw_user_error("the ranks do not have the same data: rank 0 has {}; this one has {}", of_rank_0, own);
}

StartingWeights read_starting_weights(const RunConfig& config) {
  if (config.train.initial_weights.empty()) return {};
  InitialWeights initial = read_initial_weights(config.train.initial_weights);
  require_activation(initial, config);
  require_image_tower(initial, config);
  require_heads(initial, config);
  return {std::move(initial.tensors), config.train.initial_weights};
}

EvaluationSuite make_run_suite(const RunConfig& config) {
  EvaluationSuite suite = make_suite(config.eval, config.data);
  const std::string& best = config.checkpoint.best_metric;
  const std::vector<std::string> names = suite.metric_names();
  if (!best.empty() && std::ranges::find(names, best) == names.end()) {
    throw_user_error(
        "checkpoint.best_metric is '{}', which is not a metric of this run{}; its metrics are {}", best,
        suggestion(best, names),
        names.empty() ? "none: set data.val, eval.zero_shot or eval.linear_probe" : join(names, ", "));
  }
  return suite;
}

}  // namespace cloob
