#include "train/training_parts.h"

#include <ATen/ceil_div.h>
#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "cloob/base/broadcast_text.h"
#include "cloob/base/error.h"
#include "cloob/base/log.h"
#include "cloob/base/random.h"
#include "cloob/base/text.h"
#include "cloob/data/bad_samples.h"
#include "cloob/data/loader/preprocess.h"
#include "cloob/data/source.h"
#include "cloob/device/device.h"
#include "cloob/optim/schedule.h"
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

Preprocess make_preprocess(const RunConfig& config, Purpose transform,
                           const std::shared_ptr<const Tokenizer>& tokenizer) {
  return with_text(make_image_preprocess(config.image, transform, config.model.image.image_size,
                                         config.data.max_image_pixels),
                   tokenizer, config.model.text.context_length);
}

LoaderOptions options_of(const RunConfig& config, const Collectives& collectives) {
  LoaderOptions options = make_loader_options(config.data, Purpose::training, config.train.global_batch_size,
                                              static_cast<std::uint64_t>(config.train.seed));
  options.rank = collectives.rank();
  options.world_size = collectives.world_size();
  options.pin_memory = !select_device(config.train.device).is_cpu();
  return options;
}

// Of the training data; a task may divide it into episodes.
SampleOrder order_of_run(const RunConfig& config, const Source& source, const LoaderOptions& options) {
  SampleOrder order = order_of(source, options);
  if (config.task.kind == TaskKind::contrastive) return order;
  if (source.is_stream()) {
    throw_user_error(
        "task.kind {} reads samples before they are trained on, but streams can only be read from front to back: use files "
        "for data.train",
        enum_name(config.task.kind));
  }
  if (config.task.kind != TaskKind::protoclip) return order;
  const std::int64_t samples = config.protoclip.samples_of_episode(order.size());
  const std::int64_t batch = config.train.global_batch_size;
  if (samples < batch) {
    throw_user_error(
        "an episode has {} samples, fewer than train.global_batch_size {}: set protoclip.episode_samples to "
        "more, or use smaller batches",
        with_thousands(samples), with_thousands(batch));
  }
  if (const std::int64_t clusters = config.protoclip.prototypes_of(samples); clusters > samples) {
    throw_user_error(
        "protoclip.prototypes is {}, but an episode has {} samples: set it to fewer, or episode_samples to more",
        with_thousands(clusters), with_thousands(samples));
  }
  constexpr std::int64_t kTolerated = 20;  // one in so many samples
  if (config.data.last_batch == LastBatch::drop && samples % batch * kTolerated > samples) {
    log_warning(
        "data",
        "{} of the {} samples of every episode are not trained on, as they fill no batch of {}: a multiple of it as "
        "protoclip.episode_samples trains on all, as does data.last_batch wrap",
        with_thousands(samples % batch), with_thousands(samples), with_thousands(batch));
  }
  return order.episodes(samples);
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
  LoaderOptions options = options_of(config, collectives);
  options.stop_requested = [] { return StopSignal::received() != 0; };
  SampleOrder order = order_of_run(config, *source, options);
  const Preprocess preprocess =
      reads_samples(config.task.kind) ? make_preprocess(config, Purpose::training, tokenizer) : Preprocess{};
  auto loader = std::make_unique<Loader>(std::move(source), preprocess, std::move(order), options);
  warn_of_short_batches(*loader, config.train.global_batch_size);
  return loader;
}

std::unique_ptr<Loader> make_extra_pass(const RunConfig& config,
                                        const std::shared_ptr<const Tokenizer>& tokenizer,
                                        const Loader& loader, PassOver samples, Purpose transform,
                                        const Collectives& collectives) {
  constexpr std::uint64_t kExtraPass = 1;
  LoaderOptions options = options_of(config, collectives);
  options.seed = mix_bits({options.seed, kExtraPass});
  options.last_batch = LastBatch::wrap;
  options.logs_faults = false;
  return std::make_unique<Loader>(
      loader.source(), make_preprocess(config, transform, tokenizer),
      samples == PassOver::epoch ? loader.order() : SampleOrder(loader.source()->size()), options);
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
  if (initial.lacks_fusion) {
    log_warning(
        "train",
        "'{}' was trained with a memory (task.kind reco): the run starts from its towers, without its fusion",
        config.train.initial_weights);
  }
  return {std::move(initial.tensors), config.train.initial_weights};
}

std::int64_t num_epochs(std::int64_t total_steps, std::int64_t step, const Loader& loader) {
  const std::int64_t left_after_epoch = std::max<std::int64_t>(0, total_steps - step - loader.batches_left());
  return loader.epoch() + 1 + at::ceil_div(left_after_epoch, loader.batches_per_epoch());
}

ScheduleConfig lr_schedule(const RunConfig& config, std::int64_t total_steps, std::int64_t step,
                           const Loader& loader) {
  const std::int64_t locked = config.protoclip.locked_image_episodes;
  if (config.task.kind != TaskKind::protoclip || locked == 0) return config.schedule;
  const std::int64_t episodes = num_epochs(total_steps, step, loader);
  if (locked >= episodes) {
    throw_user_error("protoclip.locked_image_episodes is {}, but the run has {} in all: set it to fewer",
                     locked, counted(episodes, "episode"));
  }
  const std::int64_t trained_after_this = episodes - locked - loader.epoch() - 1;
  if (trained_after_this < 0) return with_image_locked_from(step, config.schedule);
  const std::int64_t end = step + loader.batches_left() + trained_after_this * loader.batches_per_epoch();
  if (step == 0 && end <= config.schedule.warmup_steps) {
    throw_user_error(
        "protoclip.locked_image_episodes ({}) leaves the image tower {} steps, but schedule.warmup_steps is {}: set either lower",
        locked, end, config.schedule.warmup_steps);
  }
  return with_image_locked_from(end, config.schedule);
}

std::optional<std::string> odd_episodes(const RunConfig& config, std::int64_t num_episodes) {
  const ProtoClipConfig& protoclip = config.protoclip;
  if (config.task.kind != TaskKind::protoclip ||
      num_episodes > protoclip.warmup_episodes + protoclip.locked_image_episodes)
    return std::nullopt;
  return fmt::format(
      "nothing is clustered, so that only the contrastive loss is trained: the run has {}, protoclip.warmup_episodes is {} and "
      "locked_image_episodes {}. Train longer, or set protoclip.episode_samples or these to fewer",
      counted(num_episodes, "episode"), protoclip.warmup_episodes, protoclip.locked_image_episodes);
}

EvaluationSuite make_run_suite(const RunConfig& config) {
  EvaluationSuite suite = make_suite(config.eval, config.data);
  const std::string& best = config.checkpoint.best_metric;
  const std::vector<std::string> names = suite.metric_names();
  if (!best.empty() && std::ranges::find(names, best) == names.end()) {
    throw_user_error(
        "checkpoint.best_metric is '{}', which is not a metric of this run{}; its metrics are {}", best,
        suggestion(best, names),
        names.empty() ? "none: set data.val, eval.zero_shot, eval.linear_probe or eval.clusters"
                      : join(names, ", "));
  }
  return suite;
}

}  // namespace cloob
