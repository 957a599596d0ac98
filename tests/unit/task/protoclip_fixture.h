// A small ProtoCLIP task for tests.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <numeric>

#include "cloob/task/protoclip_task.h"
#include "unit/train/tiny_training.h"

namespace cloob::testing {

inline constexpr std::int64_t kEpisode = 24;

inline ProtoClipConfig small_protoclip() {
  ProtoClipConfig config;
  config.prototypes = 5;
  config.projection_dim = 6;
  config.projection_hidden_dim = 16;
  config.warmup_episodes = 1;
  config.target_temperature = 0.1;
  return config;
}

/// A task in fp64, and an episode of one batch.
struct ProtoClipFixture {
  explicit ProtoClipFixture(const Collectives& all_ranks, ProtoClipConfig protoclip = small_protoclip(),
                            ImageEncoderKind kind = ImageEncoderKind::vit)
      : collectives(all_ranks), config(config_of(kind)), model(model_of(config)) {
    config.retrieval.learn_beta = false;  // a parameter in fp32
    ProjectionHeads heads(protoclip, config.model.embed_dim, /*seed=*/4);
    heads.image->to(at::kDouble);
    heads.text->to(at::kDouble);
    heads.logit_scale = heads.logit_scale.detach().to(at::kDouble).requires_grad_();
    const bool syncs = all_ranks.world_size() > 1;
    auto contrastive = std::make_unique<ContrastiveTask>(
        model, ContrastiveObjective(config.loss, config.retrieval, at::kCPU),
        ContrastiveTaskOptions{.logit_scale_bounds = logit_scale_bounds(1, 100, config.reference),
                               .fixed_inv_tau = std::nullopt,
                               .syncs_batch_norms = syncs},
        all_ranks, at::kCPU);
    task = std::make_unique<ProtoClipTask>(
        std::move(contrastive), model, std::move(heads),
        ProtoClipOptions{.config = protoclip,
                         .logit_scale_bounds = logit_scale_bounds(1, 100, config.reference),
                         .syncs_batch_norms = syncs},
        all_ranks, at::kCPU);
  }

  // Each rank visits its part of the batch; the last rows are visited twice, as in a batch that wraps around.
  EpochReport begin(std::int64_t episode, const Batch& all, std::int64_t first, std::int64_t end,
                    std::int64_t num_episodes = 9) {
    const SampleOrder order = SampleOrder(kEpisode).episodes(kEpisode);
    return task->begin_epoch({.epoch = episode,
                              .num_epochs = num_episodes,
                              .source = nullptr,
                              .order = order,
                              .collectives = collectives,
                              .for_each_batch =
                                  [&](PassOver, Purpose, const std::function<void(const Batch&)>& visit) {
                                    visit(cut(all, first, end));
                                    if (first < end) visit(cut(all, first, first + 1));
                                  },
                              .check_stop = [] {}});
  }

  static Batch episode_of(const RunConfig& config, std::int64_t episode) {
    Batch batch = batch_of(config, kEpisode, /*seed=*/17);
    batch.epoch = episode;
    batch.places.resize(static_cast<std::size_t>(kEpisode));
    std::iota(batch.places.begin(), batch.places.end(), 0);
    return batch;
  }

  static Batch cut(const Batch& batch, std::int64_t first, std::int64_t end) {
    Batch rows = rows_of(batch, first, end);
    rows.places.assign(batch.places.begin() + first, batch.places.begin() + end);
    return rows;
  }

  LossOutput backward(const Batch& batch, std::int64_t step = 0) {
    const RowOutputs outputs = task->encode(batch, {0, batch.size()}, EncodePass::first);
    LossOutput output = task->loss(outputs, batch, step);
    output.loss.backward();
    return output;
  }

  const Collectives& collectives;
  RunConfig config;
  DualEncoder model;
  std::unique_ptr<ProtoClipTask> task;
};

}  // namespace cloob::testing
