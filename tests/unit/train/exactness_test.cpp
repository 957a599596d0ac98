// Ranks that are connected by c10d train like one process with the joined batch: the gradients are those of all pairs, whatever
// part of them a rank has, and batch norms are synchronized.

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <functional>

#include "cloob/base/tensor_copies.h"
#include "cloob/model/weights.h"
#include "support/connected_ranks.h"
#include "support/support.h"
#include "tiny_training.h"

namespace cloob {
namespace {

using testing::batch_of;
using testing::config_of;
using testing::model_of;
using Begins = std::vector<std::int64_t>;

constexpr std::int64_t kSteps = 20, kRows = 12;

struct Experiment {
  ImageEncoderKind tower = ImageEncoderKind::vit;
  LossKind loss = LossKind::info_loob;
  RetrievalKind retrieval = RetrievalKind::hopfield;
  bool uses_adamw = true;
  at::ScalarType type = at::kDouble;
  std::int64_t parts = 1;  // of gradient caching
  bool shards_optimizer = false;
  bool syncs_batch_norms = true;
  double batch_norm_bias = 0;
  double sgd_lr = 0.01;

  std::string name() const {
    return fmt::format("{} {} {} {} {}, {} parts", enum_name(tower), enum_name(loss), enum_name(retrieval),
                       uses_adamw ? "AdamW" : "SGD", c10::toString(type), parts);
  }
  RunConfig config() const {
    RunConfig config = config_of(tower);
    config.loss.kind = loss;
    config.retrieval = {.kind = retrieval, .learn_beta = retrieval == RetrievalKind::hopfield};
    config.train.gradient_cache_parts = parts;
    config.distributed.shard_optimizer = shards_optimizer;
    return config;
  }
};

// With running statistics that are not the initial ones.
DualEncoder starting_model(const Experiment& experiment) {
  DualEncoder model = model_of(experiment.config());
  const at::NoGradGuard no_grad;
  for (const auto& parameter : model->named_parameters()) {
    const std::string& name = parameter.key();
    if (name.ends_with("bn1.bias") || name.ends_with("bn2.bias") || name.ends_with("bn3.bias") ||
        name.ends_with("downsample.1.bias"))
      parameter.value().detach().fill_(experiment.batch_norm_bias);
  }
  for (const auto& buffer : model->named_buffers()) {
    if (buffer.key().ends_with("running_mean")) buffer.value().detach().normal_(0, 0.3);
    if (buffer.key().ends_with("running_var")) buffer.value().detach().uniform_(0.5, 2);
  }
  model->to(experiment.type);
  return model;
}

struct Trained {
  NamedTensors tensors;  // weights, running statistics, temperature, beta
  std::vector<double> losses;
};

// Drawn before the ranks start, since their threads share one generator.
std::vector<Batch> batches_of(const Experiment& experiment) {
  std::vector<Batch> batches;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    batches.push_back(batch_of(experiment.config(), kRows, static_cast<std::uint64_t>(step)));
    batches.back().images_BCHW = batches.back().images_BCHW.to(experiment.type);
  }
  return batches;
}

Trained train(const Experiment& experiment, DualEncoder model, const std::vector<Batch>& batches,
              const Collectives& collectives, const Begins& begins) {
  const RunConfig config = experiment.config();
  ContrastiveTask task(model, ContrastiveObjective(config.loss, config.retrieval, at::kCPU),
                       {.logit_scale_bounds = logit_scale_bounds(1, 100, config.reference),
                        .fixed_inv_tau = std::nullopt,
                        .syncs_batch_norms = experiment.syncs_batch_norms && collectives.world_size() > 1},
                       collectives, at::kCPU);
  TrainStep step(config, task, collectives, at::kCPU);
  const auto rank = static_cast<std::size_t>(collectives.rank());
  Trained trained;
  for (std::int64_t number = 0; number < kSteps; ++number) {
    const Batch batch =
        testing::rows_of(batches[static_cast<std::size_t>(number)], begins[rank], begins[rank + 1]);
    step.forward_backward(batch, number);
    if (experiment.uses_adamw) {
      trained.losses.push_back(step.update(same_for_all(1e-3)).loss.item<double>());
      continue;
    }
    const at::NoGradGuard no_grad;
    for (const auto& [name, parameter] : task.parameters())
      parameter.tensor.detach().sub_(parameter.tensor.grad(), experiment.sgd_lr);
  }
  trained.tensors = copies_of(task.weights());
  for (const auto& [name, tensor] : task.state()) trained.tensors[name] = tensor.detach().clone();
  return trained;
}

Trained train_alone(const Experiment& experiment) {
  return train(experiment, starting_model(experiment), batches_of(experiment), SingleProcess(), {0, kRows});
}

std::vector<Trained> train_on_ranks(const Experiment& experiment, const Begins& begins) {
  std::vector<Trained> results(begins.size() - 1);
  std::vector<DualEncoder> models;
  for (std::size_t rank = 0; rank < results.size(); ++rank) models.push_back(starting_model(experiment));
  const std::vector<Batch> batches = batches_of(experiment);
  testing::run_connected_ranks(std::ssize(results), [&](Ranks& ranks) {
    const auto rank = static_cast<std::size_t>(ranks.rank());
    const Collectives& collectives =
        ranks.connect(at::kCPU, {.start = std::chrono::seconds(60), .step = std::chrono::seconds(60)}, "");
    results[rank] = train(experiment, models[rank], batches, collectives, begins);
  });
  return results;
}

// The gradient of a key's bias is zero but for rounding, which AdamW turns into steps of full size.
at::Tensor without_key_bias(const std::string& name, const at::Tensor& tensor) {
  if (name.ends_with("k_proj.bias")) return at::zeros({1}, tensor.options());
  if (!name.ends_with("in_proj_bias")) return tensor;
  const auto width = tensor.size(0) / 3;
  return at::cat({tensor.narrow(0, 0, width), tensor.narrow(0, 2 * width, width)});
}

const std::vector<Begins> kDivisions = {{0, 6, 12},
                                        {0, 7, 7, 12}};  // equal parts; unequal ones, one of them empty

void expect_same(const Trained& of_rank, const Trained& whole, const Experiment& experiment) {
  ASSERT_EQ(of_rank.tensors.size(), whole.tensors.size());
  for (const auto& [name, tensor] : whole.tensors) {
    const bool is_statistic =
        name.find(".running_") != std::string::npos || name.ends_with("num_batches_tracked");
    if (is_statistic && !experiment.syncs_batch_norms) continue;
    testing::expect_relative_norm(without_key_bias(name, of_rank.tensors.at(name)).to(at::kDouble),
                                  without_key_bias(name, tensor).to(at::kDouble), 1e-9,
                                  experiment.name() + ": " + name);
  }
}

void expect_exact(const Experiment& experiment) {
  const Trained whole = train_alone(experiment);
  for (const Begins& begins : kDivisions) {
    for (const Trained& of_rank : train_on_ranks(experiment, begins)) expect_same(of_rank, whole, experiment);
  }
}

std::vector<Experiment> all_experiments() {
  std::vector<Experiment> experiments;
  for (const ImageEncoderKind tower : {ImageEncoderKind::vit, ImageEncoderKind::resnet}) {
    for (const LossKind loss : {LossKind::info_nce, LossKind::info_loob, LossKind::sigmoid}) {
      for (const RetrievalKind retrieval : {RetrievalKind::none, RetrievalKind::hopfield})
        experiments.push_back({.tower = tower, .loss = loss, .retrieval = retrieval});
    }
  }
  return experiments;
}

TEST(Exactness, AdamWStepsOfRanksAreThoseOfOneProcess) {
  for (const Experiment& experiment : all_experiments()) expect_exact(experiment);
}

TEST(Exactness, GradientStepsOfRanksAreThoseOfOneProcess) {
  for (Experiment experiment : all_experiments()) {
    experiment.uses_adamw = false;
    expect_exact(experiment);
  }
}

TEST(Exactness, InSinglePrecisionLossesAreTheSame) {
  for (const ImageEncoderKind tower : {ImageEncoderKind::vit, ImageEncoderKind::resnet}) {
    const Experiment experiment{.tower = tower, .type = at::kFloat};
    const Trained whole = train_alone(experiment);
    for (const Begins& begins : kDivisions) {
      const std::vector<Trained> ranks = train_on_ranks(experiment, begins);
      for (std::size_t step = 0; step < whole.losses.size(); ++step)
        EXPECT_NEAR(ranks[0].losses[step], whole.losses[step], 1e-4) << experiment.name() << " step " << step;
    }
  }
}

// Compares with the distance that each tensor moved. The gradients of a ResNet jump where an input of a ReLU changes its sign,
// so that rounding changes them by about its root, and by more in every step; with these biases no input is near zero.
TEST(Exactness, InSinglePrecisionGradientStepsDifferByRounding) {
  for (Experiment experiment : all_experiments()) {
    experiment.uses_adamw = false;
    experiment.type = at::kFloat;
    double rounding = 0;  // of the updates themselves: biases that a later norm takes out again hardly move
    if (experiment.tower == ImageEncoderKind::resnet) {
      experiment.batch_norm_bias = 6;
      experiment.sgd_lr = 0.003;
      rounding = kSteps * 6e-8;
    }
    const NamedTensors before = copies_of(weights_of(starting_model(experiment)));
    const Trained whole = train_alone(experiment);
    for (const Begins& begins : kDivisions) {
      const std::vector<Trained> ranks = train_on_ranks(experiment, begins);
      for (const auto& [name, start] : before) {
        const auto of = [&](const at::Tensor& tensor) { return without_key_bias(name, tensor); };
        const double moved = (of(whole.tensors.at(name)) - of(start)).norm().item<double>();
        const double difference =
            (of(ranks[0].tensors.at(name)) - of(whole.tensors.at(name))).norm().item<double>();
        EXPECT_LE(difference, 1e-3 * moved + rounding * of(start).norm().item<double>())
            << experiment.name() << ": " << name << " " << difference / moved;
      }
    }
  }
}

// As in open_clip and the CLOOB authors' code: gradients of the towers are divided by the number of ranks, others are not.
TEST(Exactness, ReferenceGradientScalingDividesThoseOfTheTowers) {
  const Experiment experiment{.uses_adamw = false};
  RunConfig config = experiment.config();
  const Batch batch = batches_of(experiment).front();
  const auto gradients = [&](const Collectives& collectives, const DualEncoder& model, std::int64_t begin,
                             std::int64_t end) {
    ContrastiveTask task(
        model, ContrastiveObjective(config.loss, config.retrieval, at::kCPU),
        {.logit_scale_bounds = logit_scale_bounds(1, 100, config.reference), .fixed_inv_tau = std::nullopt},
        collectives, at::kCPU);
    TrainStep step(config, task, collectives, at::kCPU);
    step.forward_backward(testing::rows_of(batch, begin, end), 0);
    std::map<std::string, std::pair<Tower, at::Tensor>> result;
    for (const auto& [name, parameter] : task.parameters())
      result[name] = {parameter.tower, parameter.tensor.grad().clone()};
    return result;
  };
  const auto whole = gradients(SingleProcess(), starting_model(experiment), 0, kRows);
  config.train.reference_gradient_scaling = true;
  const std::vector<DualEncoder> models = {starting_model(experiment), starting_model(experiment)};
  testing::run_connected_ranks(2, [&](Ranks& ranks) {
    const std::int64_t first = ranks.rank() * kRows / 2;
    const auto scaled = gradients(
        ranks.connect(at::kCPU, {.start = std::chrono::seconds(60), .step = std::chrono::seconds(60)}, ""),
        models[static_cast<std::size_t>(ranks.rank())], first, first + kRows / 2);
    for (const auto& [name, gradient] : whole) {
      const double divisor = gradient.first == Tower::shared ? 1 : 2;
      testing::expect_relative_norm(without_key_bias(name, scaled.at(name).second),
                                    without_key_bias(name, gradient.second) / divisor, 1e-9, name);
    }
  });
}

// Gradient caching in one process normalizes the same parts. Running statistics are those of a rank's own part.
TEST(Exactness, WithoutSynchronizedBatchNormsEachPartIsNormalizedSeparately) {
  for (const Begins& begins : {Begins{0, 6, 12}, Begins{0, 4, 8, 12}}) {
    Experiment experiment{.tower = ImageEncoderKind::resnet, .syncs_batch_norms = false};
    experiment.parts = std::ssize(begins) - 1;
    const Trained in_parts = train_alone(experiment);
    experiment.parts = 1;
    for (const Trained& of_rank : train_on_ranks(experiment, begins))
      expect_same(of_rank, in_parts, experiment);
  }
}

TEST(Exactness, AShardedOptimizerChangesNothing) {
  expect_exact({.tower = ImageEncoderKind::vit, .shards_optimizer = true});
}

// Ranks with fewer rows than parts encode empty parts.
TEST(Exactness, GradientCachingOnRanksChangesNothing) {
  Experiment experiment{.tower = ImageEncoderKind::vit, .parts = 3};
  expect_exact(experiment);
}

}  // namespace
}  // namespace cloob
