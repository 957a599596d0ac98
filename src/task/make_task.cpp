#include "cloob/task/make_task.h"

#include <array>
#include <optional>
#include <utility>

#include "cloob/base/error.h"
#include "cloob/model/dual_encoder.h"
#include "cloob/model/weights.h"
#include "cloob/task/contrastive_task.h"

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

std::unique_ptr<TrainingTask> make_contrastive(const TaskSettings& settings, const StartingWeights& start,
                                               const Collectives& collectives, c10::Device device) {
  const LossConfig& loss = settings.loss;
  const ContrastiveTaskOptions options{
      .logit_scale_bounds = logit_scale_bounds(loss.inv_tau_min, loss.inv_tau_max, settings.reference),
      .fixed_inv_tau = loss.learn_inv_tau ? std::nullopt : std::optional(loss.inv_tau),
      .image_is_frozen = settings.optimizer.image.frozen,
      .text_is_frozen = settings.optimizer.text.frozen,
      .caches_frozen_features = settings.cache_frozen_features,
      .syncs_batch_norms = settings.sync_batch_norm && collectives.world_size() > 1};
  return std::make_unique<ContrastiveTask>(make_dual_encoder(settings, start, device),
                                           ContrastiveObjective(loss, settings.retrieval, device), options,
                                           collectives, device);
}

using MakeTask = std::unique_ptr<TrainingTask> (*)(const TaskSettings& settings, const StartingWeights& start,
                                                   const Collectives& collectives, c10::Device device);

// One row per kind.
constexpr std::array<std::pair<TaskKind, MakeTask>, 1> kTasks = {{{TaskKind::contrastive, make_contrastive}}};
static_assert(kTasks.size() == EnumNames<TaskKind>::names.size());

}  // namespace

std::unique_ptr<TrainingTask> make_task(const TaskSettings& settings, const StartingWeights& start,
                                        const Collectives& collectives, c10::Device device) {
  for (const auto& [kind, make] : kTasks) {
    if (kind == settings.task.kind) return make(settings, start, collectives, device);
  }
  CLOOB_CHECK(false, "no factory for task kind '{}'", enum_name(settings.task.kind));
  return nullptr;
}

}  // namespace cloob
