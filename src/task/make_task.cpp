#include "cloob/task/make_task.h"

#include <array>
#include <optional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/model/weights.h"
#include "cloob/task/contrastive_task.h"
#include "cloob/task/protoclip_task.h"
#include "cloob/task/reco_task.h"

namespace cloob {
namespace {

DualEncoder make_dual_encoder(const TaskSettings& settings, const StartingWeights& start,
                              c10::Device device) {
  DualEncoder model(settings.model, start.tensors.empty() ? Initializer::random(settings.seed)
                                                          : Initializer::uninitialized());
  model->set_inv_tau(settings.loss.inv_tau, settings.loss.learn_inv_tau);
  if (settings.loss.kind == LossKind::sigmoid) model->add_logit_bias(settings.loss.logit_bias);
  if (!start.tensors.empty()) {
    load_weights(model, start.tensors, start.source);
    if (!settings.loss.learn_inv_tau) model->set_inv_tau(settings.loss.inv_tau, /*learned=*/false);
  }
  model->set_gradient_checkpointing(settings.gradient_checkpointing);
  if (settings.precision == Precision::pure_bf16) model->store_matrices_as(at::kBFloat16);
  model->to(device);
  if (settings.optimizer.image.frozen) model->freeze_image();
  if (settings.optimizer.text.frozen) model->freeze_text();
  model->train();
  return model;
}

// Towers as they are saved, with what other objectives have left in them.
DualEncoder make_frozen_towers(const TaskSettings& settings, const StartingWeights& start,
                               c10::Device device) {
  const bool is_new = start.tensors.empty();
  DualEncoder model(settings.model,
                    is_new ? Initializer::random(settings.seed) : Initializer::uninitialized());
  if (is_new) {
    model->set_inv_tau(settings.loss.inv_tau, settings.loss.learn_inv_tau);
  } else {
    if (start.tensors.contains(kLogitBias)) model->add_logit_bias(0);
    load_weights(model, start.tensors, start.source);
  }
  model->to(device);
  return model;
}

LogitScaleBounds bounds_of(const TaskSettings& settings) {
  return logit_scale_bounds(settings.loss.inv_tau_min, settings.loss.inv_tau_max, settings.reference);
}

bool syncs_batch_norms(const TaskSettings& settings, const Collectives& collectives) {
  return settings.sync_batch_norm && collectives.world_size() > 1;
}

std::unique_ptr<ContrastiveTask> make_contrastive_task(const TaskSettings& settings, DualEncoder model,
                                                       const Collectives& collectives, c10::Device device) {
  const LossConfig& loss = settings.loss;
  const ContrastiveTaskOptions options{
      .logit_scale_bounds = bounds_of(settings),
      .fixed_inv_tau = loss.learn_inv_tau ? std::nullopt : std::optional(loss.inv_tau),
      .image_is_frozen = settings.optimizer.image.frozen,
      .text_is_frozen = settings.optimizer.text.frozen,
      .caches_frozen_features = settings.cache_frozen_features,
      .syncs_batch_norms = syncs_batch_norms(settings, collectives)};
  return std::make_unique<ContrastiveTask>(
      std::move(model), ContrastiveObjective(loss, settings.retrieval, device), options, collectives, device);
}

std::unique_ptr<TrainingTask> make_contrastive(const TaskSettings& settings, const StartingWeights& start,
                                               const Collectives& collectives, c10::Device device,
                                               const PairMemories&) {
  return make_contrastive_task(settings, make_dual_encoder(settings, start, device), collectives, device);
}

std::unique_ptr<TrainingTask> make_protoclip(const TaskSettings& settings, const StartingWeights& start,
                                             const Collectives& collectives, c10::Device device,
                                             const PairMemories&) {
  DualEncoder model = make_dual_encoder(settings, start, device);
  ProjectionHeads heads(settings.protoclip, settings.model.embed_dim, settings.seed);
  heads.to(device);
  const ProtoClipOptions options{.config = settings.protoclip,
                                 .logit_scale_bounds = bounds_of(settings),
                                 .precision = settings.precision,
                                 .image_is_frozen = settings.optimizer.image.frozen,
                                 .text_is_frozen = settings.optimizer.text.frozen,
                                 .syncs_batch_norms = syncs_batch_norms(settings, collectives)};
  return std::make_unique<ProtoClipTask>(make_contrastive_task(settings, model, collectives, device), model,
                                         std::move(heads), options, collectives, device);
}

std::unique_ptr<TrainingTask> make_reco(const TaskSettings& settings, const StartingWeights& start,
                                        const Collectives& collectives, c10::Device device,
                                        const PairMemories& memories) {
  const LossConfig& loss = settings.loss;
  const RecoTaskOptions options{
      .config = settings.reco,
      .logit_scale_bounds = bounds_of(settings),
      .fixed_inv_tau = loss.learn_inv_tau ? std::nullopt : std::optional(loss.inv_tau),
      .seed = settings.seed,
      .precision = settings.precision,
      .caption_choice = settings.caption_choice};
  return std::make_unique<RecoTask>(make_frozen_towers(settings, start, device),
                                    ContrastiveObjective(loss, settings.retrieval, device), memories, options,
                                    collectives, device);
}

using MakeTask = std::unique_ptr<TrainingTask> (*)(const TaskSettings& settings, const StartingWeights& start,
                                                   const Collectives& collectives, c10::Device device,
                                                   const PairMemories& memories);

// One row per kind.
constexpr std::array<std::pair<TaskKind, MakeTask>, 3> kTasks = {{{TaskKind::contrastive, make_contrastive},
                                                                  {TaskKind::protoclip, make_protoclip},
                                                                  {TaskKind::reco, make_reco}}};
static_assert(kTasks.size() == EnumNames<TaskKind>::names.size());

}  // namespace

std::unique_ptr<TrainingTask> make_task(const TaskSettings& settings, const StartingWeights& start,
                                        const Collectives& collectives, c10::Device device,
                                        const PairMemories& memories) {
  for (const auto& [kind, make] : kTasks) {
    if (kind == settings.task.kind) return make(settings, start, collectives, device, memories);
  }
  CLOOB_CHECK(false, "no factory for task kind '{}'", enum_name(settings.task.kind));
  return nullptr;
}

}  // namespace cloob
