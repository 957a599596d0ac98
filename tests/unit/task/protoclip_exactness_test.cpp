// ProtoCLIP on ranks that are connected by c10d trains like one process: the clusters are the same, and so are the gradients,
// whatever part of the batch a rank has.

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <mutex>
#include <vector>

#include "cloob/base/tensor_copies.h"
#include "protoclip_fixture.h"
#include "support/connected_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::kEpisode;
using testing::ProtoClipFixture;
using Begins = std::vector<std::int64_t>;

constexpr std::int64_t kSteps = 20, kStepsOfEpisode = 7;  // an episode of warm-up, and two with clusters

struct Experiment {
  ImageEncoderKind kind = ImageEncoderKind::vit;
  ProtoClipConfig protoclip = testing::small_protoclip();
  double lr = 0.01;
};

struct Trained {
  NamedTensors tensors;                   // weights, heads, temperatures, prototypes
  std::vector<NamedNumbers> clusterings;  // metrics of each episode
};

// The samples of an episode, with other crops in every step. Drawn before the ranks start, since their threads share one
// generator.
std::vector<Batch> batches_of(const Experiment& experiment) {
  const RunConfig config = testing::config_of(experiment.kind);
  std::vector<Batch> batches;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    batches.push_back(ProtoClipFixture::episode_of(config, step / kStepsOfEpisode));
    at::Tensor& images_BCHW = batches.back().images_BCHW;
    images_BCHW = images_BCHW + 0.1 * at::randn_like(images_BCHW);
  }
  return batches;
}

std::unique_ptr<ProtoClipFixture> make_process(const Experiment& experiment, const Collectives& collectives) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  return std::make_unique<ProtoClipFixture>(collectives, experiment.protoclip, experiment.kind);
}

Trained train(const Experiment& experiment, const std::vector<Batch>& batches, const Collectives& collectives,
              const Begins& begins) {
  const auto rank = static_cast<std::size_t>(collectives.rank());
  const std::int64_t first = begins[rank], end = begins[rank + 1];
  const std::unique_ptr<ProtoClipFixture> process = make_process(experiment, collectives);
  ProtoClipTask& task = *process->task;
  TrainStep step(process->config, task, collectives, at::kCPU);
  Trained trained;
  for (std::int64_t number = 0; number < kSteps; ++number) {
    const Batch& all = batches[static_cast<std::size_t>(number)];
    if (number % kStepsOfEpisode == 0)
      trained.clusterings.push_back(process->begin(all.epoch, all, first, end).metrics);
    step.forward_backward(ProtoClipFixture::cut(all, first, end), number);
    const at::NoGradGuard no_grad;
    for (const auto& [name, parameter] : task.parameters()) {
      if (parameter.tensor.grad().defined())
        parameter.tensor.detach().sub_(parameter.tensor.grad(), experiment.lr);
    }
    task.after_update();
  }
  trained.tensors = copies_of(task.weights());
  for (const auto& [name, tensor] : task.state()) trained.tensors[name] = tensor.detach().clone();
  return trained;
}

void expect_same(const Trained& of_rank, const Trained& whole, const std::string& experiment) {
  ASSERT_EQ(of_rank.tensors.size(), whole.tensors.size());
  for (const auto& [name, tensor] : whole.tensors) {
    const at::Tensor& other = of_rank.tensors.at(name);
    if (name.ends_with(".labels")) {
      EXPECT_TRUE(at::equal(other, tensor)) << experiment << ": " << name;
    } else {
      testing::expect_relative_norm(other.to(at::kDouble), tensor.to(at::kDouble), 1e-9,
                                    experiment + ": " + name);
    }
  }
  ASSERT_EQ(of_rank.clusterings.size(), whole.clusterings.size());
  for (std::size_t episode = 0; episode < whole.clusterings.size(); ++episode)
    EXPECT_EQ(of_rank.clusterings[episode].size(), whole.clusterings[episode].size());
}

void expect_exact(const Experiment& experiment, const std::string& name) {
  const std::vector<Batch> batches = batches_of(experiment);
  const Trained whole = train(experiment, batches, SingleProcess(), {0, kEpisode});
  EXPECT_TRUE(whole.clusterings[0].empty()) << "the first episode is one of warm-up";
  EXPECT_FALSE(whole.clusterings[1].empty());
  EXPECT_FALSE(whole.clusterings[2].empty());
  for (const Begins& begins : {Begins{0, 12, kEpisode}, Begins{0, 11, 11, kEpisode}}) {
    std::vector<Trained> ranks(begins.size() - 1);
    testing::run_connected_ranks(std::ssize(ranks), [&](Ranks& connected) {
      const Collectives& collectives = connected.connect(
          at::kCPU, {.start = std::chrono::seconds(60), .step = std::chrono::seconds(60)}, "");
      ranks[static_cast<std::size_t>(connected.rank())] = train(experiment, batches, collectives, begins);
    });
    for (const Trained& of_rank : ranks)
      expect_same(of_rank, whole, fmt::format("{} on {} ranks", name, ranks.size()));
  }
}

TEST(ProtoClipExactness, StepsAndClustersOfRanksAreThoseOfOneProcess) {
  expect_exact({.kind = ImageEncoderKind::vit}, "ViT");
  // With a larger rate its steps overshoot, and each makes rounding ten times as large.
  expect_exact({.kind = ImageEncoderKind::resnet, .lr = 0.001}, "ResNet");
}

TEST(ProtoClipExactness, AlsoWithHardTargetsAndWithoutBackTranslation) {
  Experiment experiment;
  experiment.protoclip.back_translation = false;
  experiment.protoclip.target_temperature = std::nullopt;
  expect_exact(experiment, "ViT without back translation");
}

}  // namespace
}  // namespace cloob
