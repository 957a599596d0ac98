#include "cloob/run/run_config.h"

#include <ATen/ceil_div.h>

#include <algorithm>
#include <cmath>

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

// CLOOB's recipe for Conceptual Captions (Fuerst et al., 2022).
constexpr double kInfoLoobInvTau = 30.0;
// As in SigLIP (Zhai et al., 2023) and open_clip's --siglip.
constexpr double kSigmoidInvTau = 10.0;

double inv_tau_of(LossKind loss) {
  switch (loss) {
    case LossKind::info_loob:
      return kInfoLoobInvTau;
    case LossKind::sigmoid:
      return kSigmoidInvTau;
    case LossKind::info_nce:
      break;
  }
  return LossConfig().inv_tau;
}

// A captured step can neither read values nor set the state of the random generator.
void require_capturable(const TrainConfig& config) {
  const auto reject = [](const char* setting) {
    throw_user_error("train.cuda_graph cannot capture a step with train.{}: unset one of them", setting);
  };
  if (config.gradient_cache_parts > 1) reject("gradient_cache_parts above 1");
  if (config.gradient_checkpointing) reject("gradient_checkpointing");
  if (config.cache_frozen_features) reject("cache_frozen_features");
}

}  // namespace

void TrainConfig::validate() const {
  const int lengths = (epochs ? 1 : 0) + (steps ? 1 : 0) + (samples ? 1 : 0);
  if (epochs == 0.0) throw_user_error("train.epochs is 0, must be greater than 0");
  if (lengths > 1) {
    throw_user_error(
        "only one of train.epochs, train.steps and train.samples can be set: unset the others with null, for "
        "example --train.steps null");
  }
}

void RunConfig::validate() const {
  if (!data.val.empty()) eval.require_pairs();
  if (train.cuda_graph) require_capturable(train);
  if (train.reference_gradient_scaling && loss.kind == LossKind::sigmoid) {
    throw_user_error(
        "train.reference_gradient_scaling is not for loss.kind sigmoid: open_clip exchanges its features with gradients, "
        "which do not depend on the number of ranks");
  }
  if (task.kind != TaskKind::contrastive && (train.cache_frozen_features || train.cuda_graph)) {
    throw_user_error("train.{} is not available with task.kind {}: set it to false",
                     train.cuda_graph ? "cuda_graph" : "cache_frozen_features", enum_name(task.kind));
  }
  if (task.kind == TaskKind::reco && precision_of(train) == Precision::pure_bf16) {
    throw_user_error(
        "train.precision pure_bf16 is not available with task.kind reco, which leaves the towers as they are: use bf16");
  }
  if (task.kind == TaskKind::reco && loss.kind == LossKind::sigmoid) {
    throw_user_error(
        "loss.kind sigmoid is not available with task.kind reco: set objective to clip or info_loob, for example");
  }
  if (task.kind == TaskKind::protoclip &&
      (protoclip.inv_tau < loss.inv_tau_min || protoclip.inv_tau > loss.inv_tau_max)) {
    throw_user_error("protoclip.inv_tau is {}, must be from loss.inv_tau_min ({}) to inv_tau_max ({})",
                     protoclip.inv_tau, loss.inv_tau_min, loss.inv_tau_max);
  }
  if (model.text.context_length < 3) {
    throw_user_error(
        "model.text.context_length is {}, must be at least 3: a start token, an end token and one token in "
        "between",
        model.text.context_length);
  }
  if (optimizer.image.frozen && schedule.text_start_step > 0) {
    throw_user_error(
        "optimizer.image.frozen is set and schedule.text_start_step is {}: nothing would be trained before; set it to 0",
        schedule.text_start_step);
  }
  const bool image_is_cached = train.cache_frozen_features && optimizer.image.frozen;
  if (image_is_cached && image.train_crop != TrainCrop::evaluation) {
    throw_user_error(
        "train.cache_frozen_features needs images that repeat exactly, but image.train_crop {} crops them at "
        "random in every epoch: set image.train_crop to evaluation",
        enum_name(image.train_crop));
  }
}

std::vector<ImpliedSetting> RunConfig::implied_settings() const {
  constexpr std::string_view kBy = "objective";
  const ObjectiveKinds kinds = kinds_of(objective);
  const bool is_info_loob = kinds.loss == LossKind::info_loob;
  std::vector<ImpliedSetting> implied;
  // Also if only the loss is named, and before what an objective with another loss implies: neither CLIP's nor CLOOB's
  // temperature fits the bias.
  if (loss.kind == LossKind::sigmoid) {
    implied.push_back({"loss.kind", "loss.inv_tau", kSigmoidInvTau});
    implied.push_back({"loss.kind", "loss.learn_inv_tau", true});
  }
  implied.push_back({kBy, "loss.kind", std::string(enum_name(kinds.loss))});
  implied.push_back({kBy, "loss.inv_tau", inv_tau_of(kinds.loss)});
  implied.push_back({kBy, "loss.learn_inv_tau", !is_info_loob});
  implied.push_back({kBy, "retrieval.kind", std::string(enum_name(kinds.retrieval))});
  if (kinds.retrieval == RetrievalKind::hopfield)
    implied.push_back({kBy, "retrieval.beta", RetrievalConfig().beta});
  return implied;
}

void RunConfig::complete() { objective = system_of(loss.kind, retrieval.kind); }

Precision precision_of(const TrainConfig& config) {
  return config.precision.value_or(default_precision(config.device));
}

TaskSettings task_settings(const RunConfig& config) {
  return {.task = config.task,
          .protoclip = config.protoclip,
          .reco = config.reco,
          .model = config.model,
          .loss = config.loss,
          .retrieval = config.retrieval,
          .optimizer = config.optimizer,
          .reference = config.reference,
          .seed = static_cast<std::uint64_t>(config.train.seed),
          .precision = precision_of(config.train),
          .gradient_checkpointing = config.train.gradient_checkpointing,
          .cache_frozen_features = config.train.cache_frozen_features,
          .sync_batch_norm = config.distributed.sync_batch_norm,
          .caption_choice = config.data.caption_choice};
}

std::int64_t total_steps(const TrainConfig& config, const RunPosition& position) {
  if (config.steps) return *config.steps;
  if (config.samples) {
    const std::int64_t left = std::max<std::int64_t>(0, *config.samples - position.samples);
    return position.step + at::ceil_div(left, config.global_batch_size);
  }
  if (config.epochs) {
    const auto all = std::llround(*config.epochs / position.passes_per_epoch *
                                  static_cast<double>(position.batches_per_epoch));
    const std::int64_t done = (position.epoch + 1) * position.batches_per_epoch - position.batches_left;
    return std::max<std::int64_t>(1, position.step + std::max<std::int64_t>(0, all - done));
  }
  throw_user_error(
      "the length of the run is not set: set one of train.epochs, train.steps and train.samples");
}

}  // namespace cloob
