#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>

#include "cloob/base/error.h"
#include "cloob/base/tensor_copies.h"
#include "protoclip_fixture.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::run_ranks;

using testing::kEpisode;
using testing::small_protoclip;
using Fixture = testing::ProtoClipFixture;

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
    Fixture alone(single, small_protoclip(), kind);
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
        fixture = std::make_unique<Fixture>(collectives, small_protoclip(), kind);
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
  ProtoClipConfig protoclip = small_protoclip();
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
  ProtoClipConfig protoclip = small_protoclip();
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
  ProtoClipConfig protoclip = small_protoclip();
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
