#include "cloob/objective/contrastive_objective.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <cmath>
#include <mutex>
#include <string>
#include <vector>

#include "cloob/base/error.h"
#include "support/finite_differences.h"
#include "support/simulated_ranks.h"
#include "support/support.h"

namespace cloob {
namespace {

using testing::expect_close;
using testing::expect_user_error;

struct Features {
  at::Tensor image_ND;
  at::Tensor text_ND;
};

at::Tensor unit_rows(const at::Tensor& rows) { return rows / rows.norm(2, 1, true); }

Features random_features(std::int64_t rows, std::int64_t width) {
  at::manual_seed(3);
  const at::Tensor image_ND = at::randn({rows, width}, at::kDouble);
  const at::Tensor text_ND = image_ND + at::randn({rows, width}, at::kDouble);
  return {unit_rows(image_ND).detach().requires_grad_(), unit_rows(text_ND).detach().requires_grad_()};
}

// The inputs of the reference values below, computed from a formula so that no file is needed.
Features reference_features() {
  const at::Tensor i = at::arange(6, at::kDouble).unsqueeze(1), j = at::arange(8, at::kDouble).unsqueeze(0);
  const at::Tensor image = at::sin(0.7 * i + 1.3 * j + 0.1 * i * j + 0.2);
  const at::Tensor text = image + 0.5 * at::cos(1.9 * i - 0.6 * j);
  return {unit_rows(image).requires_grad_(), unit_rows(text).requires_grad_()};
}

ContrastiveObjective make_objective(ObjectiveSystem system, RetrievalConfig retrieval = {}) {
  const auto [loss_kind, retrieval_kind] = kinds_of(system);
  retrieval.kind = retrieval_kind;
  return ContrastiveObjective({.kind = loss_kind}, retrieval, at::kCPU);
}

at::Tensor scale(double inv_tau) { return at::scalar_tensor(inv_tau, at::kDouble); }

at::Tensor evaluate(const ContrastiveObjective& objective, const Features& features,
                    const LogitScaling& scaling, std::int64_t step = 0) {
  return objective.evaluate(features.image_ND, features.text_ND, scaling,
                            objective.retrieved_fraction_at(step));
}

// All losses can have a bias, one takes it.
LogitScaling scaled(double inv_tau, double bias = -3) { return {scale(inv_tau), scale(bias)}; }

std::string name_of(ObjectiveSystem system) { return std::string(enum_name(system)); }

class EveryObjective : public ::testing::TestWithParam<std::pair<std::string_view, ObjectiveSystem>> {
 protected:
  ObjectiveSystem system() const { return GetParam().second; }
  bool has_bias() const { return kinds_of(system()).loss == LossKind::sigmoid; }
  bool retrieves() const { return kinds_of(system()).retrieval == RetrievalKind::hopfield; }
};

INSTANTIATE_TEST_SUITE_P(Grid, EveryObjective, ::testing::ValuesIn(EnumNames<ObjectiveSystem>::names),
                         [](const auto& cell) { return std::string(cell.param.first); });

TEST_P(EveryObjective, HasGradientsThatMatchFiniteDifferences) {
  const Features features = random_features(5, 4);
  const LogitScaling scaling{scale(7).requires_grad_(), scale(-3).requires_grad_()};
  const ContrastiveObjective objective =
      make_objective(system(), {.beta = 3.0, .update_steps = 2, .warmup_steps = 4});
  const auto loss = [&] { return evaluate(objective, features, scaling, /*step=*/3); };
  for (const at::Tensor& leaf : {features.image_ND, features.text_ND, scaling.inv_tau}) {
    testing::expect_gradient_matches_differences(loss, leaf, 1e-8);
  }
  if (has_bias()) testing::expect_gradient_matches_differences(loss, scaling.bias, 1e-8);
}

TEST_P(EveryObjective, IsInvariantToTheOrderOfPairs) {
  const Features features = random_features(9, 4);
  const at::Tensor order = at::randperm(9);
  const Features shuffled{features.image_ND.index_select(0, order), features.text_ND.index_select(0, order)};
  const ContrastiveObjective objective = make_objective(system());
  expect_close(evaluate(objective, shuffled, scaled(14.3)), evaluate(objective, features, scaled(14.3)),
               1e-12, 0);
}

TEST_P(EveryObjective, OfIdenticalRowsMatchesTheClosedForm) {
  const at::Tensor rows = at::full({6, 8}, std::sqrt(1.0 / 8), at::kDouble);
  const bool loob = kinds_of(system()).loss == LossKind::info_loob;
  const double softmax = loob ? 2 * std::log(5.0) / 30 : std::log(6.0);
  // At the logit 1: softplus(-1) of the partner, softplus(1) of five others.
  const double sigmoid = std::log1p(std::exp(-1.0)) + 5 * std::log1p(std::exp(1.0));
  EXPECT_NEAR(evaluate(make_objective(system()), {rows, rows}, scaled(30, -29)).item<double>(),
              has_bias() ? sigmoid : softmax, 1e-12);
}

TEST_P(EveryObjective, ComputesHalfPrecisionFeaturesInFp32) {
  const Features features = random_features(16, 8);
  const Features half{features.image_ND.to(at::kBFloat16), features.text_ND.to(at::kBFloat16)};
  const Features full{half.image_ND.to(at::kFloat), half.text_ND.to(at::kFloat)};
  const ContrastiveObjective objective = make_objective(system());
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const at::Tensor actual = evaluate(objective, half, scaled(30));
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_EQ(actual.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(actual, evaluate(objective, full, scaled(30))));
}

TEST_P(EveryObjective, RejectsASinglePair) {
  const Features one = random_features(1, 4);
  expect_user_error([&] { evaluate(make_objective(system()), one, scaled(30)); },
                    {"needs at least 2 pairs", "has 1", "train.global_batch_size"});
}

TEST_P(EveryObjective, ReportsItsCellOfTheGrid) {
  EXPECT_EQ(name_of(make_objective(system()).system()), name_of(system()));
}

TEST_P(EveryObjective, LearnsBetaOnlyWithRetrieval) {
  const ContrastiveObjective fixed = make_objective(system());
  EXPECT_TRUE(fixed.parameters().empty());
  EXPECT_EQ(make_objective(system(), {.learn_beta = true}).parameters().count("log_beta"),
            retrieves() ? 1U : 0U);
}

struct LossAndGradients {
  at::Tensor loss;  ///< summed over the ranks
  at::Tensor image_ND, text_ND, inv_tau, log_beta;
  at::Tensor bias = {};     ///< undefined for losses that have none
  at::Tensor entropy = {};  ///< summed over the ranks; undefined without retrieval
};

LossAndGradients in_one_process(ContrastiveObjective objective, const Features& features, double fraction) {
  const LogitScaling scaling{scale(14.3).requires_grad_(), scale(-3).requires_grad_()};
  const Features own{features.image_ND.detach().requires_grad_(), features.text_ND.detach().requires_grad_()};
  at::Tensor entropy;
  const at::Tensor loss = objective.evaluate(own.image_ND, own.text_ND, scaling, fraction, &entropy);
  loss.backward();
  const NamedTensors parameters = objective.parameters();
  return {loss.detach(),
          own.image_ND.grad(),
          own.text_ND.grad(),
          scaling.inv_tau.grad(),
          parameters.empty() ? at::Tensor() : parameters.at("log_beta").grad(),
          scaling.bias.grad(),
          entropy};
}

// Rank r has rows begins[r] to begins[r + 1].
LossAndGradients on_ranks(const std::vector<std::int64_t>& begins, ObjectiveSystem system,
                          const RetrievalConfig& retrieval, const Features& features, double fraction) {
  std::vector<LossAndGradients> ranks(begins.size() - 1);
  testing::run_ranks(std::ssize(ranks), [&](const Collectives& collectives) {
    const auto rank = static_cast<std::size_t>(collectives.rank());
    const auto own = [&](const at::Tensor& rows) {
      return rows.detach().narrow(0, begins[rank], begins[rank + 1] - begins[rank]).clone().requires_grad_();
    };
    const ContrastiveObjective objective = make_objective(system, retrieval);
    const at::Tensor image_BD = own(features.image_ND), text_BD = own(features.text_ND);
    const LogitScaling scaling{scale(14.3).requires_grad_(), scale(-3).requires_grad_()};
    at::Tensor entropy;
    const at::Tensor loss = objective.evaluate(image_BD, text_BD, scaling, collectives, fraction, &entropy);
    loss.backward();
    const NamedTensors parameters = objective.parameters();
    ranks[rank] = {loss.detach(),
                   image_BD.grad(),
                   text_BD.grad(),
                   scaling.inv_tau.grad(),
                   parameters.empty() ? at::Tensor() : parameters.at("log_beta").grad(),
                   scaling.bias.grad(),
                   entropy};
  });
  LossAndGradients all = ranks.front();
  std::vector<at::Tensor> images, texts;
  for (const LossAndGradients& rank : ranks) {
    images.push_back(rank.image_ND);
    texts.push_back(rank.text_ND);
    if (&rank == &ranks.front()) continue;
    all.loss = all.loss + rank.loss;
    all.inv_tau = all.inv_tau + rank.inv_tau;
    if (all.log_beta.defined()) all.log_beta = all.log_beta + rank.log_beta;
    if (all.bias.defined()) all.bias = all.bias + rank.bias;
    if (all.entropy.defined()) all.entropy = all.entropy + rank.entropy;
  }
  all.image_ND = at::cat(images);
  all.text_ND = at::cat(texts);
  return all;
}

TEST_P(EveryObjective, OnUnevenRanksEqualsTheJoinedBatch) {
  const Features features = random_features(9, 4);
  const bool learns_beta = retrieves();
  for (const std::int64_t update_steps : {1, 2}) {
    for (const double fraction : {1.0, 0.4}) {
      const RetrievalConfig retrieval{.beta = 3, .learn_beta = learns_beta, .update_steps = update_steps};
      const LossAndGradients expected =
          in_one_process(make_objective(system(), retrieval), features, fraction);
      for (const std::vector<std::int64_t>& begins : std::vector<std::vector<std::int64_t>>{
               {0, 4, 9}, {0, 9, 9}, {0, 0, 9}, {0, 1, 5, 9}, {0, 3, 3, 9}, {0, 0, 9, 9}}) {
        const LossAndGradients actual = on_ranks(begins, system(), retrieval, features, fraction);
        expect_close(actual.loss, expected.loss, 1e-11, 0);
        testing::expect_relative_norm(actual.image_ND, expected.image_ND, 1e-11, "image");
        testing::expect_relative_norm(actual.text_ND, expected.text_ND, 1e-11, "text");
        testing::expect_relative_norm(actual.inv_tau, expected.inv_tau, 1e-11, "inv_tau");
        ASSERT_EQ(actual.bias.defined(), has_bias());
        if (has_bias()) testing::expect_relative_norm(actual.bias, expected.bias, 1e-11, "bias");
        // log_beta is fp32, like every parameter.
        if (learns_beta) testing::expect_relative_norm(actual.log_beta, expected.log_beta, 1e-5, "log_beta");
        ASSERT_EQ(actual.entropy.defined(), retrieves());
        if (retrieves()) expect_close(actual.entropy, expected.entropy, 1e-11, 0);
      }
    }
  }
}

TEST_P(EveryObjective, OfASinglePairOnAllRanksIsRejectedByAll) {
  const Features features = random_features(1, 4);
  int num_rejections = 0;
  std::mutex mutex;
  testing::run_ranks(2, [&](const Collectives& collectives) {
    const auto own = [&](const at::Tensor& rows) {
      return rows.detach().narrow(0, 0, 1 - collectives.rank());
    };
    try {
      make_objective(system()).evaluate(own(features.image_ND), own(features.text_ND), scaled(30),
                                        collectives);
    } catch (const UserError&) {
      const std::lock_guard lock(mutex);
      ++num_rejections;
    }
  });
  EXPECT_EQ(num_rejections, 2);
}

TEST(ContrastiveObjective, MeasuresTheMeanEntropyOfItsFourRetrievals) {
  const Features features = random_features(9, 4);
  const at::Tensor beta = at::scalar_tensor(3.0, at::kDouble);
  double sum = 0;
  for (const at::Tensor& state : {features.image_ND, features.text_ND}) {
    for (const at::Tensor& stored : {features.image_ND, features.text_ND})
      sum += hopfield_retrieve_with_entropy(state, stored, beta, 1).entropy_B.mean().item<double>();
  }
  at::Tensor entropy;
  make_objective(ObjectiveSystem::cloob, {.beta = 3})
      .evaluate(features.image_ND, features.text_ND, scale(30), /*retrieved_fraction=*/0.3, &entropy);
  EXPECT_NEAR(entropy.item<double>(), sum / 4, 1e-12);
  EXPECT_FALSE(entropy.requires_grad());
}

// By the gradient of a matrix of all logits, and by its softmaxes.
TEST_P(EveryObjective, MeasuresItsSaturation) {
  const Features features = random_features(9, 4);
  const double s = 4, bias = -2, beta = 3;
  const ContrastiveObjective objective = make_objective(system(), {.beta = beta});
  const PairMeasures measures = objective.measure(features.image_ND, features.text_ND, scaled(s, bias));
  expect_close(measures.loss, evaluate(objective, features, scaled(s, bias)).detach(), 0, 0);
  EXPECT_FALSE(measures.loss.requires_grad());
  ASSERT_EQ(measures.retrieval_entropy.defined(), retrieves());

  const at::Tensor x = features.image_ND.detach(), y = features.text_ND.detach();
  std::vector<std::pair<at::Tensor, at::Tensor>> directions = {{x, y}, {y, x}};
  if (retrieves()) {
    const auto from = [&](const at::Tensor& stored, const at::Tensor& state) {
      return hopfield_retrieve(state, stored, beta, 1);
    };
    directions = {{from(x, x), from(x, y)}, {from(y, y), from(y, x)}};
  }
  double mass = 0, weight = 0;
  for (const auto& [anchor, sample] : directions) {
    const at::Tensor logits = (s * at::mm(anchor, sample.t())).requires_grad_();
    const double p = logits.softmax(1).diagonal().mean().item<double>();
    // Both softmaxes of the sigmoid loss count, which is the same in both directions.
    mass += (has_bias() ? (p + logits.softmax(0).diagonal().mean().item<double>()) / 2 : p) / 2;
    if (has_bias()) {
      weight += at::sigmoid(-(logits + bias)).diagonal().mean().item<double>() / 2;
    } else {
      const at::Tensor masked = kinds_of(system()).loss == LossKind::info_loob
                                    ? logits.masked_fill(at::eye(9, at::kBool), -INFINITY)
                                    : logits;
      (masked.logsumexp(1) - logits.diagonal()).sum().backward();
      weight -= logits.grad().diagonal().mean().item<double>() / 2;
    }
  }
  EXPECT_NEAR(measures.positive_mass.item<double>(), mass, 1e-12);
  EXPECT_NEAR(measures.gradient_weight.item<double>(), weight, 1e-12);
}

struct ReferenceValues {
  ObjectiveSystem system;
  double inv_tau, beta, loss, grad_norm_image, grad_norm_text, grad_log_inv_tau;
};

// Computed in fp64 with the reference implementation, on `reference_features`.
constexpr ReferenceValues kReferenceValues[] = {
    {ObjectiveSystem::cloob, 30, 8, -1.130162157623, 0.634963767687, 0.603461465712, -0.008430019248},
    {ObjectiveSystem::cloob, 30, 14.3, -1.154049899895, 0.477125598807, 0.494328688216, -0.011571984318},
    {ObjectiveSystem::cloob, 14.3, 8, -1.112266590502, 0.494027638242, 0.497678936841, -0.048446450630},
    {ObjectiveSystem::cloob, 14.3, 14.3, -1.132970844733, 0.369427617725, 0.436918575403, -0.053472192706},
    {ObjectiveSystem::clip, 30, 1, 0.000009393348, 0.000216763422, 0.000253537369, -0.000100811608},
    {ObjectiveSystem::clip, 14.3, 1, 0.003550050098, 0.023427808225, 0.023453525142, -0.020382582738},
    {ObjectiveSystem::info_loob, 30, 1, -0.885278309581, 0.722093588302, 0.575678719715, -0.018432411462},
    {ObjectiveSystem::info_loob, 14.3, 1, -0.859289309712, 0.706744270483, 0.560010570433, -0.059033323588},
    {ObjectiveSystem::info_nce_hopfield, 14.3, 8, 0.000954839332, 0.009670972049, 0.002075495250,
     -0.006351540344},
};

TEST(ContrastiveObjective, MatchesTheReferenceValuesAndGradients) {
  for (const ReferenceValues& row : kReferenceValues) {
    SCOPED_TRACE(name_of(row.system) + " inv_tau " + std::to_string(row.inv_tau) + " beta " +
                 std::to_string(row.beta));
    const Features features = reference_features();
    const at::Tensor log_inv_tau = at::scalar_tensor(std::log(row.inv_tau), at::kDouble).requires_grad_();
    const at::Tensor loss =
        evaluate(make_objective(row.system, {.beta = row.beta}), features, log_inv_tau.exp());
    loss.backward();
    constexpr double kDigits = 1e-12;  // the table has 12 decimals
    EXPECT_NEAR(loss.item<double>(), row.loss, kDigits);
    EXPECT_NEAR(features.image_ND.grad().norm().item<double>(), row.grad_norm_image, kDigits);
    EXPECT_NEAR(features.text_ND.grad().norm().item<double>(), row.grad_norm_text, kDigits);
    EXPECT_NEAR(log_inv_tau.grad().item<double>(), row.grad_log_inv_tau, kDigits);
  }
}

TEST(ContrastiveObjective, MatchesTheReferenceGradientOfALearnedBeta) {
  constexpr std::tuple<ObjectiveSystem, double, double> kRows[] = {
      {ObjectiveSystem::cloob, 30, -0.086565943244},
      {ObjectiveSystem::info_nce_hopfield, 14.3, -0.000809038694}};
  for (const auto& [system, inv_tau, grad_log_beta] : kRows) {
    const ContrastiveObjective objective = make_objective(system, {.beta = 8, .learn_beta = true});
    evaluate(objective, reference_features(), scale(inv_tau)).backward();
    // log_beta is fp32, like every parameter.
    EXPECT_NEAR(objective.parameters().at("log_beta").grad().item<double>(), grad_log_beta, 1e-7);
  }
}

TEST(ContrastiveObjective, WarmupBlendsFromTheObjectiveWithoutRetrievalToTheOneWithIt) {
  const Features features = random_features(8, 4);
  for (const auto& [with, without] :
       {std::pair(ObjectiveSystem::cloob, ObjectiveSystem::info_loob),
        std::pair(ObjectiveSystem::info_nce_hopfield, ObjectiveSystem::clip),
        std::pair(ObjectiveSystem::sigmoid_hopfield, ObjectiveSystem::siglip)}) {
    const ContrastiveObjective warm = make_objective(with, {.warmup_steps = 10});
    const at::Tensor start = evaluate(make_objective(without), features, scaled(30));
    const at::Tensor end = evaluate(make_objective(with), features, scaled(30));
    expect_close(evaluate(warm, features, scaled(30), 0), start, 1e-12, 0);
    expect_close(evaluate(warm, features, scaled(30), 10), end, 0, 0);
    EXPECT_FALSE(at::allclose(evaluate(warm, features, scaled(30), 5), start));
    EXPECT_FALSE(at::allclose(evaluate(warm, features, scaled(30), 5), end));
  }
}

TEST(ContrastiveObjective, RestoresALearnedBetaBitForBit) {
  const Features features = random_features(8, 4);
  const ContrastiveObjective trained =
      make_objective(ObjectiveSystem::cloob, {.beta = 11.7, .learn_beta = true});
  ContrastiveObjective resumed = make_objective(ObjectiveSystem::cloob, {.beta = 8, .learn_beta = true});
  resumed.load_state(trained.parameters());
  EXPECT_TRUE(at::equal(evaluate(resumed, features, scale(30)), evaluate(trained, features, scale(30))));
  EXPECT_TRUE(resumed.parameters().at("log_beta").requires_grad());
  EXPECT_FALSE(resumed.parameters().at("log_beta").is_same(trained.parameters().at("log_beta")));
}

TEST(ContrastiveObjective, RejectsTheStateOfAnotherObjective) {
  ContrastiveObjective learned = make_objective(ObjectiveSystem::cloob, {.learn_beta = true});
  ContrastiveObjective fixed = make_objective(ObjectiveSystem::cloob);
  expect_user_error([&] { learned.load_state({}); }, {"log_beta", "retrieval.learn_beta"});
  expect_user_error([&] { fixed.load_state(learned.parameters()); }, {"log_beta", "retrieval.*"});
  expect_user_error([&] { learned.load_state({{"log_beta", at::zeros({3})}}); }, {"log_beta", "3 elements"});
}

TEST_P(EveryObjective, KnowsTheLossOfFeaturesThatAreAllTheSame) {
  const ContrastiveObjective objective = make_objective(GetParam().second);
  const at::Tensor same = unit_rows(at::ones({7, 5}, at::kDouble));
  // The best logit of pairs that look alike is that of the share of partners, 1 / 7.
  const double loss = objective.evaluate(same, same, scaled(30, -30 - std::log(6.0))).item<double>();
  EXPECT_NEAR(objective.chance_loss(7, 30), loss, 1e-12);
}

}  // namespace
}  // namespace cloob
