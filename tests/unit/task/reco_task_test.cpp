#include "cloob/task/reco_task.h"

#include <ATen/ATen.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>

#include "cloob/base/files.h"
#include "cloob/base/full_precision.h"
#include "cloob/base/tensor_copies.h"
#include "cloob/model/weights.h"
#include "support/simulated_ranks.h"
#include "support/support.h"
#include "tensor_memory.h"
#include "unit/train/tiny_training.h"

namespace cloob {
namespace {

using testing::TensorMemory;

constexpr std::int64_t kSamples = 10, kPairs = 30;

class CountingSource final : public Source {
 public:
  std::int64_t size() const override { return kSamples; }
  RawSample read(std::int64_t) const override { return {}; }
  std::string describe(std::int64_t index) const override { return std::to_string(index); }
};

/// A task in fp64 on ten samples, all of which are in the memory.
struct Fixture {
  explicit Fixture(const Collectives& all_ranks, RecoConfig reco = {}, LossKind loss = LossKind::info_nce,
                   RetrievalKind retrieval = RetrievalKind::none,
                   std::shared_ptr<const PairMemory> evaluation_memory = nullptr,
                   std::optional<double> fixed_inv_tau = std::nullopt)
      : collectives(all_ranks), config(testing::config_of(ImageEncoderKind::vit)) {
    config.loss.kind = loss;
    config.retrieval = {.kind = retrieval};
    reco.k = std::min<std::int64_t>(reco.k, 4);
    model = testing::model_of(config);
    samples = testing::batch_of(config, kSamples);
    samples.keys = keys_of(0, kSamples);
    samples.places.resize(static_cast<std::size_t>(kSamples));
    std::iota(samples.places.begin(), samples.places.end(), 0);
    memory = make_memory();
    task = std::make_unique<RecoTask>(
        model, ContrastiveObjective(config.loss, config.retrieval, at::kCPU),
        PairMemories{.training = memory, .evaluation = std::move(evaluation_memory)},
        RecoTaskOptions{.config = reco,
                        .logit_scale_bounds = logit_scale_bounds(1, 100, config.reference),
                        .fixed_inv_tau = fixed_inv_tau},
        all_ranks, at::kCPU);
    // In fp64, and away from where the fusion starts, which is no fusion.
    at::manual_seed(11);
    const at::NoGradGuard no_grad;
    for (auto& [name, parameter] : task->parameters()) {
      if (!name.starts_with("reco.") || name.ends_with("logit_scale")) continue;
      parameter.tensor.set_data(parameter.tensor.detach().to(at::kDouble) +
                                0.2 * at::randn(parameter.tensor.sizes(), at::kDouble));
    }
  }

  static std::vector<std::string> keys_of(std::int64_t first, std::int64_t end) {
    std::vector<std::string> keys;
    for (std::int64_t i = first; i < end; ++i) keys.push_back("sample" + std::to_string(i));
    return keys;
  }

  at::Tensor texts_as_evaluated() {
    return task->feature_model().encode_text(samples.tokens_BL, samples.end_positions_B);
  }

  // The samples themselves, and other pairs near them.
  std::shared_ptr<const TensorMemory> make_memory() {
    const at::NoGradGuard no_grad;
    const at::Tensor image_BD = model->encode_image(samples.images_BCHW),
                     text_BD = model->encode_text(samples.tokens_BL, samples.end_positions_B);
    at::manual_seed(7);
    const auto around = [](const at::Tensor& rows_BD) {
      return at::cat({rows_BD, unit_rows(rows_BD + 0.2 * at::randn_like(rows_BD)),
                      unit_rows(rows_BD + 0.5 * at::randn_like(rows_BD))});
    };
    return std::make_shared<const TensorMemory>(around(image_BD), around(text_BD), keys_of(0, kPairs));
  }

  EpochReport begin(const std::vector<std::int64_t>& begins = {0, kSamples}) {
    const auto rank = static_cast<std::size_t>(collectives.rank());
    const SampleOrder order(kSamples);
    return task->begin_epoch(
        {.epoch = 0,
         .num_epochs = 3,
         .source = std::make_shared<const CountingSource>(),
         .order = order,
         .collectives = collectives,
         .for_each_batch =
             [&](PassOver passes, Purpose transform, const std::function<void(const Batch&)>& visit) {
               EXPECT_EQ(passes, PassOver::all_samples);
               EXPECT_EQ(transform, Purpose::evaluation);
               ++passes_over_data;
               Batch own = testing::rows_of(samples, begins[rank], begins[rank + 1]);
               own.keys = keys_of(first_key + begins[rank], first_key + begins[rank + 1]);
               visit(own);
             },
         .check_stop = [] {}});
  }

  // As a batch of training comes: without images and texts.
  static Batch places_of(std::vector<std::int64_t> indices) {
    Batch batch;
    batch.images_BCHW = at::empty({static_cast<std::int64_t>(indices.size()), 3, 0, 0});
    batch.indices = std::move(indices);
    return batch;
  }

  LossOutput backward(const Batch& batch) {
    LossOutput output = task->loss(task->encode(batch, {0, batch.size()}, EncodePass::first), batch, 0);
    output.loss.backward();
    return output;
  }

  const Collectives& collectives;
  RunConfig config;
  DualEncoder model{nullptr};
  Batch samples;
  std::shared_ptr<const TensorMemory> memory;
  std::unique_ptr<RecoTask> task;
  int passes_over_data = 0;
  std::int64_t first_key = 0;  // of the samples; those of the memory begin with 0
};

NamedTensors gradients_of(const RecoTask& task) {
  NamedTensors gradients;
  for (const auto& [name, parameter] : task.parameters()) {
    if (parameter.tensor.requires_grad())
      gradients.emplace(name, parameter.tensor.grad().defined() ? parameter.tensor.grad().clone()
                                                                : at::zeros_like(parameter.tensor));
  }
  return gradients;
}

// By hand, in float64.
TEST(RecoTask, LossComparesRefinedWithRefinedAndWithOriginalFeatures) {
  const SingleProcess single;
  Fixture fixture(single);
  fixture.begin();
  const auto rows = [](std::initializer_list<double> values) {
    return RowOutput{unit_rows(at::tensor(values, at::kDouble).view({3, 3}))};
  };
  const RowOutputs outputs = {rows({1, 2, 4, 4, 1, 0, 0, 2, 1}), rows({1, 2, 3, 3, 1, 1, 0, 1, 1}),
                              rows({1, 2, 3, 3, 1, 0, 0, 1, 1}), rows({1, 1, 3, 2, 1, 0, 1, 1, 1})};
  {
    const at::NoGradGuard no_grad;
    fixture.task->parameters().at("reco.logit_scale").tensor.detach().fill_(std::log(1 / 0.07));
  }
  const LossOutput output = fixture.task->loss(outputs, Fixture::places_of({0, 1, 2}), 0);
  const double expected[] = {0.195153, 0.373097, 0.253068};
  ASSERT_EQ(output.terms.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(output.terms[i].second.item<double>(), expected[i], 1e-6);
  EXPECT_NEAR(output.loss.item<double>(), 0.821319, 2e-6);
}

TEST(RecoTask, TrainsOnlyFusionsAndTemperature) {
  const SingleProcess single;
  Fixture fixture(single);
  const NamedTensors towers = copies_of(fixture.task->weights());
  fixture.begin();
  TrainStep step(fixture.config, *fixture.task, single, at::kCPU);
  for (std::int64_t number = 0; number < 3; ++number) {
    step.forward_backward(Fixture::places_of({0, 3, 4, 7, 9}), number);
    step.update(same_for_all(1e-2));
  }
  for (const auto& [name, tensor] : fixture.task->weights())
    EXPECT_TRUE(at::equal(tensor, towers.at(name))) << name;
  for (const auto& [name, parameter] : fixture.task->parameters())
    EXPECT_EQ(parameter.tensor.requires_grad(), name.starts_with("reco.")) << name;
  Fixture untrained(single);
  EXPECT_FALSE(at::equal(
      fixture.task->state().at("reco.image_fusion.transformer.resblocks.0.attn.out_proj.weight"),
      untrained.task->state().at("reco.image_fusion.transformer.resblocks.0.attn.out_proj.weight")));
}

TEST(RecoTask, StartsFromTheFeaturesOfTheTowers) {
  const SingleProcess single;
  RunConfig config = testing::config_of(ImageEncoderKind::vit);
  DualEncoder model = testing::model_of(config);
  model->to(at::kFloat);
  Fixture other(single);
  for (const FusionKind kind : {FusionKind::transformer, FusionKind::mlp}) {
    RecoTask task(model, ContrastiveObjective({}, {}, at::kCPU), {.training = other.memory},
                  {.config = {.fusion = kind},
                   .logit_scale_bounds = logit_scale_bounds(1, 100, config.reference),
                   .fixed_inv_tau = std::nullopt},
                  single, at::kCPU);
    const Batch batch = testing::batch_of(config, 5);
    const at::NoGradGuard no_grad;
    EXPECT_LE((task.feature_model().encode_image(batch.images_BCHW.to(at::kFloat), {}).unit_BD -
               model->encode_image(batch.images_BCHW.to(at::kFloat)))
                  .abs()
                  .max()
                  .item<double>(),
              1e-6);
  }
}

TEST(RecoTask, EvaluationsMayHaveAnotherMemory) {
  const SingleProcess single;
  Fixture alone(single);
  at::manual_seed(3);
  const auto random = [] { return unit_rows(at::randn({6, 12}, at::kDouble)); };
  const auto other = std::make_shared<const TensorMemory>(random(), random(), Fixture::keys_of(0, 6));
  Fixture swapped(single, {}, LossKind::info_nce, RetrievalKind::none, other);
  EXPECT_GT((swapped.texts_as_evaluated() - alone.texts_as_evaluated()).abs().max().item<double>(), 0.01);
  // Of its pairs, and with the fusion that is trained.
  const auto refinement = swapped.task->feature_model().refine(
      Modality::text,
      alone.model->encode_text(alone.samples.tokens_BL, alone.samples.end_positions_B).narrow(0, 0, 1));
  ASSERT_TRUE(refinement);
  for (const std::int64_t row : refinement->rows) EXPECT_LT(row, 6);
  alone.begin();
  swapped.begin();
  const Batch batch = Fixture::places_of({1, 2, 3, 4});
  EXPECT_EQ(swapped.backward(batch).loss.item<double>(), alone.backward(batch).loss.item<double>());
}

// Without pair k is with a memory that does not have it, and one pair less.
TEST(RecoTask, RefinementSaysWhatEachPairContributes) {
  const SingleProcess single;
  Fixture fixture(single, {.k = 3});
  const at::NoGradGuard no_grad;
  const at::Tensor tower_1D =
      fixture.model->encode_text(fixture.samples.tokens_BL, fixture.samples.end_positions_B).narrow(0, 2, 1);
  const auto refinement = fixture.task->feature_model().refine(Modality::text, tower_1D);
  ASSERT_TRUE(refinement);
  ASSERT_EQ(refinement->rows.size(), 3U);
  EXPECT_EQ(refinement->rows[0], 2) << "the most similar pair is the sample itself";
  EXPECT_NEAR(refinement->similarity_K[0].item<double>(), 1, 1e-6);
  EXPECT_LE(
      (refinement->refined_1D - fixture.texts_as_evaluated().narrow(0, 2, 1)).abs().max().item<double>(),
      1e-12);
  for (std::size_t k = 0; k < 3; ++k) {
    const auto rest = std::make_shared<const TensorMemory>(fixture.memory->without(refinement->rows[k]));
    Fixture less(single, {.k = 2}, LossKind::info_nce, RetrievalKind::none, rest);
    const at::Tensor expected_1D = less.texts_as_evaluated().narrow(0, 2, 1);
    EXPECT_LE(
        (refinement->without_KD[static_cast<std::int64_t>(k)] - expected_1D[0]).abs().max().item<double>(),
        1e-12)
        << "pair " << k;
  }
  EXPECT_GT((refinement->without_KD[0] - refinement->refined_1D[0]).abs().max().item<double>(), 1e-3);
  Fixture unrefined(single, {.refine = RefinedSides::images});
  EXPECT_FALSE(unrefined.task->feature_model().refine(Modality::text, tower_1D));
}

// All samples are in the memory, and each is its own nearest neighbor.
TEST(RecoTask, NoPairRetrievesItselfOrItsCopies) {
  const SingleProcess single;
  const std::vector<std::string> no_keys;
  Fixture fixture(single, {.exclude_similarity = 1});
  const at::NoGradGuard no_grad;
  const at::Tensor image_BD = fixture.model->encode_image(fixture.samples.images_BCHW);
  const at::Tensor own = at::arange(kSamples, at::kLong);
  EXPECT_TRUE(at::equal(fixture.memory->nearest(Modality::image, image_BD, 1, nullptr).squeeze(1), own))
      << "nothing to leak";
  // What a training step fuses tells which pairs were found: with the mean of one text it is that text.
  for (const RelativeModality search : {RelativeModality::same, RelativeModality::other}) {
    Fixture mean(
        single,
        {.k = 1, .search = search, .fusion = FusionKind::mean, .mean_weight = 1, .exclude_similarity = 1});
    mean.begin();
    std::vector<std::int64_t> all(static_cast<std::size_t>(kSamples));
    std::iota(all.begin(), all.end(), 0);
    const RowOutputs outputs = mean.task->encode(Fixture::places_of(all), {0, kSamples}, EncodePass::first);
    for (const std::size_t refined : {0, 1}) {
      const at::Tensor same = (outputs[refined].rows * outputs[refined == 0 ? 3 : 2].rows).sum(1);
      EXPECT_LT(same.max().item<double>(), 1 - 1e-4) << "output " << refined;
    }
  }
}

TEST(RecoTask, RanksHaveTheGradientsOfOneProcess) {
  for (const RetrievalKind retrieval : {RetrievalKind::none, RetrievalKind::hopfield}) {
    const LossKind loss = retrieval == RetrievalKind::none ? LossKind::info_nce : LossKind::info_loob;
    const SingleProcess single;
    Fixture alone(single, {}, loss, retrieval);
    alone.begin();
    const std::vector<std::int64_t> batch = {7, 1, 2, 9, 4, 3};
    const double expected_loss = alone.backward(Fixture::places_of(batch)).loss.item<double>();
    const NamedTensors expected = gradients_of(*alone.task);
    EXPECT_GT(expected.at("reco.image_fusion.transformer.resblocks.0.mlp.c_fc.weight").norm().item<double>(),
              0);
    EXPECT_GT(expected.at("reco.text_fusion.type_embedding").norm().item<double>(), 0);
    std::vector<NamedTensors> results(3);
    std::vector<double> losses(3);
    testing::run_ranks(3, [&](const Collectives& collectives) {
      static std::mutex mutex;
      std::unique_ptr<Fixture> fixture;
      {
        const std::lock_guard lock(mutex);
        fixture = std::make_unique<Fixture>(collectives, RecoConfig{}, loss, retrieval);
      }
      fixture->begin({0, 4, 4, kSamples});
      const auto rank = static_cast<std::size_t>(collectives.rank());
      const std::vector<std::vector<std::int64_t>> parts = {{7, 1, 2, 9}, {4, 3}, {}};
      const LossOutput output = fixture->backward(Fixture::places_of(parts[rank]));
      NamedTensors gradients = gradients_of(*fixture->task);
      std::vector<at::Tensor> sums = {output.loss.detach().clone()};
      for (const auto& [name, gradient] : gradients) sums.push_back(gradient);
      collectives.sum_in_place(sums);
      losses[rank] = sums[0].item<double>();
      results[rank] = std::move(gradients);
    });
    for (std::size_t rank = 0; rank < 3; ++rank) {
      EXPECT_NEAR(losses[rank], expected_loss, 1e-10 * std::abs(expected_loss));
      for (const auto& [name, gradient] : expected)
        EXPECT_LE((results[rank].at(name) - gradient).norm().item<double>(),
                  1e-9 * gradient.norm().item<double>() + 1e-13)
            << name << " of rank " << rank;
    }
  }
}

TEST(RecoTask, UnusableSamplesAreLeftOut) {
  const SingleProcess single;
  Fixture all(single), some(single);
  all.begin();
  some.begin({0, 6});
  const double with_unusable = some.backward(Fixture::places_of({0, 8, 3, 5, 9})).loss.item<double>();
  EXPECT_NEAR(with_unusable, all.backward(Fixture::places_of({0, 3, 5})).loss.item<double>(), 1e-12);
  for (const auto& [name, gradient] : gradients_of(*all.task))
    EXPECT_LE((gradients_of(*some.task).at(name) - gradient).norm().item<double>(), 1e-12) << name;
}

TEST(RecoTask, KeepsFeaturesForOtherStarts) {
  const SingleProcess single;
  const testing::TempDir folder;
  const std::string cache = (folder.path() / "cache").string();
  const Batch batch = Fixture::places_of({1, 2, 3, 4});
  const auto begins = [&](const RecoConfig& config, int passes) {
    Fixture fixture(single, config);
    fixture.begin();
    EXPECT_EQ(fixture.passes_over_data, passes);
    return fixture.backward(batch).loss.item<double>();
  };
  const double expected = begins({}, 1);
  EXPECT_EQ(begins({.cache = cache}, 1), expected);
  EXPECT_EQ(begins({.cache = cache}, 0), expected);
  EXPECT_NE(begins({.cache = cache, .k = 2}, 1), expected);
  EXPECT_NE(begins({.cache = cache, .exclude_similarity = 2}, 1), expected);
  begins({.cache = cache, .search = RelativeModality::other}, 1);
  EXPECT_EQ(begins({.cache = cache}, 0), expected);
  // The control has no neighbors to keep.
  begins({.cache = cache, .fusion = FusionKind::mlp}, 1);
  EXPECT_EQ(begins({.cache = cache}, 0), expected);
  // Damaged files are as none.
  for (const auto& entry : std::filesystem::directory_iterator(cache))
    std::filesystem::resize_file(entry.path(), 100);
  EXPECT_EQ(begins({.cache = cache}, 1), expected);
  EXPECT_EQ(begins({.cache = cache}, 0), expected);
  // Where nothing can be written, training goes on.
  write_file_atomically(folder.path() / "file", "");
  EXPECT_EQ(begins({.cache = (folder.path() / "file").string()}, 1), expected);
}

TEST(RecoTask, RestoresFusionsAndTemperature) {
  const SingleProcess single;
  Fixture fixture(single), other(single);
  {
    const at::NoGradGuard no_grad;
    for (const auto& [name, parameter] : other.task->parameters()) {
      if (parameter.tensor.requires_grad()) parameter.tensor.detach().mul_(1.5);
    }
  }
  other.task->load(copies_of(fixture.task->weights()), copies_of(fixture.task->state()));
  fixture.begin();
  other.begin();
  const Batch batch = Fixture::places_of({1, 2, 3, 4});
  EXPECT_EQ(other.backward(batch).loss.item<double>(), fixture.backward(batch).loss.item<double>());
  NamedTensors state = copies_of(fixture.task->state());
  std::erase_if(state, [](const auto& item) { return item.first.starts_with("reco."); });
  testing::expect_user_error([&] { fixture.task->load(fixture.task->weights(), state); },
                             {"was not written by task.kind reco"});
}

TEST(RecoTask, EvaluatesWithItsOwnTemperature) {
  const SingleProcess single;
  Fixture fixture(single);
  const at::NoGradGuard no_grad;
  const at::Tensor features = unit_rows(at::randn({5, 12}, at::kDouble));
  const auto loss = [&] {
    return fixture.task->feature_model().measure_pairs(features, features).loss.item<double>();
  };
  const double before = loss();
  NamedTensors state = copies_of(fixture.task->state());
  state.at("reco.logit_scale").add_(1);
  fixture.task->load(copies_of(fixture.task->weights()), state);
  EXPECT_GT(std::abs(loss() - before), 1e-3);
  EXPECT_NEAR(*fixture.task->feature_model().chance_loss(8),
              ContrastiveObjective({}, {}, at::kCPU)
                  .chance_loss(8, state.at("reco.logit_scale").exp().item<double>()),
              1e-9);
}

TEST(RecoTask, RefusesToTrainNothing) {
  const SingleProcess single;
  testing::expect_user_error(
      [&] {
        const Fixture fixture(single, {.fusion = FusionKind::mean}, LossKind::info_nce, RetrievalKind::none,
                              nullptr, /*fixed_inv_tau=*/30);
      },
      {"nothing is trained", "reco.fusion mean", "loss.learn_inv_tau"});
}

double metric_of(const EpochReport& report, const std::string& name) {
  const auto found = std::ranges::find(report.metrics, name, [](const auto& metric) { return metric.first; });
  return found == report.metrics.end() ? -1 : found->second;
}

TEST(RecoTask, SaysHowManyPairsAreRetrieved) {
  const SingleProcess single;
  Fixture fixture(single);
  EXPECT_EQ(metric_of(fixture.begin(), "reco/neighbors"), 4);
  Fixture none(single, {.exclude_similarity = 0});
  EXPECT_LT(metric_of(none.begin(), "reco/neighbors"), 4);
}

// Under other keys, only their similarity tells pairs that are in the memory themselves.
TEST(RecoTask, SaysWhenPairsRetrieveThemselves) {
  const SingleProcess single;
  for (const double similarity : {0.95, 1.1}) {
    for (const std::int64_t first_key : {0, 1000}) {
      Fixture fixture(single, {.exclude_similarity = similarity});
      fixture.first_key = first_key;
      const bool leaks = similarity > 1 && first_key > 0;
      EXPECT_EQ(metric_of(fixture.begin(), "reco/share_with_copies"), leaks ? 1 : 0);
    }
  }
}

TEST(RecoTask, NeedsAMemoryThatFits) {
  const SingleProcess single;
  Fixture fixture(single);
  const auto make = [&](std::shared_ptr<const PairMemory> memory, FusionKind fusion) {
    RecoTask(fixture.model, ContrastiveObjective({}, {}, at::kCPU), {.training = std::move(memory)},
             {.config = {.fusion = fusion},
              .logit_scale_bounds = logit_scale_bounds(1, 100, Reference::open_clip),
              .fixed_inv_tau = std::nullopt},
             single, at::kCPU);
  };
  testing::expect_user_error([&] { make(nullptr, FusionKind::mean); }, {"reco.memory is not set"});
  make(nullptr, FusionKind::mlp);
  const auto narrow = std::make_shared<const TensorMemory>(at::ones({2, 3}), at::ones({2, 3}),
                                                           std::vector<std::string>{"a", "b"});
  testing::expect_user_error([&] { make(narrow, FusionKind::mean); }, {"3 dimensions, but the model has 12"});
}

}  // namespace
}  // namespace cloob
