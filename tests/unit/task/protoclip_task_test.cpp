#include "cloob/task/protoclip_task.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <numeric>

#include "cloob/base/error.h"
#include "cloob/base/tensor_copies.h"
#include "support/simulated_ranks.h"
#include "support/support.h"
#include "unit/train/tiny_training.h"

namespace cloob {
namespace {

using testing::batch_of;
using testing::config_of;
using testing::model_of;
using testing::run_ranks;

constexpr std::int64_t kEpisode = 24;

ProtoClipConfig small_config() {
  ProtoClipConfig config;
  config.prototypes = 5;
  config.projection_dim = 6;
  config.projection_hidden_dim = 16;
  config.warmup_episodes = 1;
  config.target_temperature = 0.1;
  return config;
}

/// A task in fp64, and an episode of one batch.
struct Fixture {
  explicit Fixture(const Collectives& all_ranks, ProtoClipConfig protoclip = small_config(),
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
                                  [&](Purpose, const std::function<void(const Batch&)>& visit) {
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
    Batch rows = testing::rows_of(batch, first, end);
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

double term(const LossOutput& output, const std::string& name) {
  for (const auto& [found, value] : output.terms) {
    if (found == name) return value.item<double>();
  }
  CLOOB_CHECK(false, "no term {}", name);
  return 0;
}

bool has_term(const LossOutput& output, const std::string& name) {
  return std::ranges::any_of(output.terms, [&](const auto& each) { return each.first == name; });
}

struct Gradients {
  double loss = 0;
  NamedTensors tensors;
};

Gradients gradients_of(Fixture& fixture, const Batch& batch) {
  Gradients result;
  const LossOutput output = fixture.backward(batch);
  std::vector<at::Tensor> sums = {output.loss.detach()};
  for (const auto& [name, parameter] : fixture.task->parameters()) {
    at::Tensor gradient = parameter.tensor.grad();
    if (!gradient.defined()) gradient = at::zeros_like(parameter.tensor);
    result.tensors.emplace(name, gradient);
    sums.push_back(gradient);
  }
  fixture.collectives.sum_in_place(sums);
  result.loss = sums[0].item<double>();
  return result;
}

TEST(ProtoClipTask, RanksHaveTheGradientsOfOneProcess) {
  for (const ImageEncoderKind kind : {ImageEncoderKind::vit, ImageEncoderKind::resnet}) {
    const SingleProcess single;
    Fixture alone(single, small_config(), kind);
    const Batch all = Fixture::episode_of(alone.config, 1);
    alone.begin(1, all, 0, kEpisode);
    const NamedTensors prototypes = copies_of(alone.task->state());
    const Gradients expected = gradients_of(alone, all);
    EXPECT_GT(expected.tensors.at("protoclip.image_head.0.weight").norm().item<double>(), 0);
    EXPECT_GT(expected.tensors.at("protoclip.logit_scale").abs().item<double>(), 0);
    // Made before the ranks start, since their threads share one generator.
    std::vector<std::unique_ptr<Gradients>> results(4);
    std::vector<NamedTensors> states(4);
    run_ranks(4, [&](const Collectives& collectives) {
      static std::mutex mutex;
      std::unique_ptr<Fixture> fixture;
      {
        const std::lock_guard lock(mutex);
        fixture = std::make_unique<Fixture>(collectives, small_config(), kind);
      }
      const std::vector<std::int64_t> begins = {0, 5, 5, 14, kEpisode};  // the second rank has no rows
      const auto rank = static_cast<std::size_t>(collectives.rank());
      const EpochReport report = fixture->begin(1, all, begins[rank], begins[rank + 1]);
      EXPECT_EQ(report.picture.has_value(), rank == 0);
      states[rank] = copies_of(fixture->task->state());
      results[rank] = std::make_unique<Gradients>(
          gradients_of(*fixture, Fixture::cut(all, begins[rank], begins[rank + 1])));
    });
    for (std::size_t rank = 0; rank < results.size(); ++rank) {
      EXPECT_NEAR(results[rank]->loss, expected.loss, 1e-10 * std::abs(expected.loss));
      for (const auto& [name, gradient] : expected.tensors) {
        EXPECT_LE((results[rank]->tensors.at(name) - gradient).norm().item<double>(),
                  1e-9 * gradient.norm().item<double>() + 1e-13)
            << name << " of rank " << rank;
      }
      for (const char* labels : {"protoclip.prototypes.image.labels", "protoclip.prototypes.text.labels"})
        EXPECT_TRUE(at::equal(states[rank].at(labels), prototypes.at(labels))) << labels;
      EXPECT_TRUE(at::equal(states[rank].at("protoclip.prototypes.image.prototypes"),
                            states[0].at("protoclip.prototypes.image.prototypes")))
          << "every rank compares with the same prototypes, to the bit";
    }
  }
}

TEST(ProtoClipTask, IsTheContrastiveTaskWhileNothingIsClustered) {
  const SingleProcess single;
  ProtoClipConfig protoclip = small_config();
  protoclip.locked_image_episodes = 2;
  protoclip.w_clip = 0.5;
  Fixture fixture(single, protoclip);
  for (const std::int64_t episode : {0, 7, 8}) {
    const Batch batch = Fixture::episode_of(fixture.config, episode);
    EXPECT_TRUE(fixture.begin(episode, batch, 0, kEpisode).metrics.empty());
    const LossOutput output = fixture.backward(batch);
    EXPECT_EQ(output.loss.item<double>(), term(output, "loss_clip")) << "with weights of 1, 0 and 0";
    EXPECT_FALSE(has_term(output, "loss_proto"));
    for (const auto& [name, parameter] : fixture.task->parameters()) {
      if (!name.starts_with("protoclip.")) continue;
      EXPECT_FALSE(parameter.tensor.grad().defined()) << name;
    }
  }
  const Batch batch = Fixture::episode_of(fixture.config, 6);
  EXPECT_FALSE(fixture.begin(6, batch, 0, kEpisode).metrics.empty());
  const LossOutput output = fixture.backward(batch);
  EXPECT_NEAR(output.loss.item<double>(), 0.5 * term(output, "loss_clip") + term(output, "loss_proto"),
              1e-12);
}

TEST(ProtoClipTask, ClustersNothingForLossesWithoutWeight) {
  const SingleProcess single;
  ProtoClipConfig protoclip = small_config();
  protoclip.w_proto = 0;
  Fixture fixture(single, protoclip);
  const Batch batch = Fixture::episode_of(fixture.config, 1);
  EXPECT_TRUE(fixture.begin(1, batch, 0, kEpisode).metrics.empty());
}

TEST(ProtoClipTask, LeavesAPictureOfAnEpisode) {
  const SingleProcess single;
  Fixture fixture(single);
  const EpochReport report = fixture.begin(3, Fixture::episode_of(fixture.config, 3), 0, kEpisode - 4);
  ASSERT_TRUE(report.picture);
  const EpisodePicture& picture = *report.picture;
  EXPECT_EQ(picture.episode, 3);
  EXPECT_EQ(picture.num_samples, kEpisode - 4);
  EXPECT_EQ(picture.num_clusters, 5);
  EXPECT_EQ(picture.images.x.size(), 20U);
  EXPECT_EQ(picture.texts.clusters.size(), 20U);
  const at::Tensor labels = fixture.task->state().at("protoclip.prototypes.image.labels");
  EXPECT_EQ(picture.texts.clusters[7], labels[7].item<std::int64_t>());
}

TEST(ProtoClipTask, RestoresPrototypesHeadsAndEpisode) {
  const SingleProcess single;
  Fixture fixture(single);
  const Batch batch = Fixture::episode_of(fixture.config, 3);
  fixture.begin(3, batch, 0, kEpisode);
  Fixture other(single);
  {
    const at::NoGradGuard no_grad;
    for (const auto& [name, parameter] : other.task->parameters()) parameter.tensor.detach().mul_(1.25);
  }
  EXPECT_FALSE(other.task->has_begun(3));
  other.task->load(copies_of(fixture.task->weights()), copies_of(fixture.task->state()));
  EXPECT_TRUE(other.task->has_begun(3));
  const LossOutput expected = fixture.backward(batch), actual = other.backward(batch);
  EXPECT_EQ(actual.loss.item<double>(), expected.loss.item<double>());
}

TEST(ProtoClipTask, DoesNotLoadACheckpointWithoutHeads) {
  const SingleProcess single;
  Fixture fixture(single);
  NamedTensors state = copies_of(fixture.task->state());
  std::erase_if(state, [](const auto& item) { return item.first.starts_with("protoclip."); });
  testing::expect_user_error([&] { fixture.task->load(fixture.task->weights(), state); },
                             {"was not written by task.kind protoclip"});
}

TEST(ProtoClipTask, RefusesMorePrototypesThanSamples) {
  const SingleProcess single;
  ProtoClipConfig protoclip = small_config();
  protoclip.prototypes = 25;
  Fixture fixture(single, protoclip);
  const Batch batch = Fixture::episode_of(fixture.config, 1);
  testing::expect_user_error([&] { fixture.begin(1, batch, 0, kEpisode); },
                             {"protoclip.prototypes is 25, but the episode has only 24"});
}

TEST(ProtoClipTask, UnusableSamplesHaveNoCluster) {
  const SingleProcess single;
  Fixture fixture(single);
  const Batch all = Fixture::episode_of(fixture.config, 1);
  fixture.begin(1, all, 0, kEpisode - 4);
  const at::Tensor labels = fixture.task->state().at("protoclip.prototypes.image.labels");
  EXPECT_TRUE(labels.slice(0, 0, kEpisode - 4).ge(0).all().item<bool>());
  EXPECT_TRUE(labels.slice(0, kEpisode - 4).eq(-1).all().item<bool>());
}

TEST(ProtoClipConfig, SizesFollowTheEpisode) {
  ProtoClipConfig config;
  EXPECT_EQ(config.samples_of_episode(1000), 1000);
  EXPECT_EQ(config.prototypes_of(1000), 100);
  EXPECT_EQ(config.prototypes_of(7), 2);
  EXPECT_EQ(config.prototypes_of(10'000'000), 20'000);
  EXPECT_TRUE(config.uses_prototypes());
  config.w_proto = 0;
  EXPECT_FALSE(config.uses_prototypes()) << "there is no teacher";
  config.teacher = "features.safetensors";
  config.back_translation = false;
  testing::expect_user_error([&] { config.validate(); },
                             {"protoclip.teacher needs protoclip.back_translation"});
}

}  // namespace
}  // namespace cloob
