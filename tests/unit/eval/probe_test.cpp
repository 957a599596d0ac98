#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <filesystem>
#include <limits>
#include <map>
#include <set>

#include "cloob/eval/probe/labeled_features.h"
#include "cloob/eval/probe/linear_probe.h"
#include "cloob/eval/probe/nearest_neighbors.h"
#include "eval/probe/class_places.h"
#include "eval/probe/lbfgs.h"
#include "eval/probe/logistic_regression.h"
#include "support/simulated_ranks.h"
#include "support/support.h"
#include "support/test_files.h"
#include "unit/eval/sample_pairs.h"
#include "unit/eval/scaled_model.h"
#include "unit/model/tiny_models.h"

namespace cloob {
namespace {

using ::testing::ElementsAre;
using testing::expect_user_error;
using testing::run_ranks;

constexpr std::int64_t kClasses = 3, kDim = 8;

// Clouds around one center a class, in parts of 16 rows, classes mixed.
std::vector<LabeledPart> clouds(std::int64_t count, std::uint64_t seed) {
  at::manual_seed(1);
  const at::Tensor centers = at::randn({kClasses, kDim}) * 0.6 + 2;
  at::manual_seed(seed);
  const at::Tensor noise = at::randn({count, kDim});
  std::vector<LabeledPart> parts;
  for (std::int64_t row = 0; row < count; ++row) {
    if (row % 16 == 0) parts.push_back({at::empty({0, kDim}), {}});
    const std::int64_t label = (row * row + row / 5) % kClasses;
    parts.back().labels.push_back(label);
    parts.back().features_BD =
        at::cat({parts.back().features_BD, (centers[label] + noise[row]).unsqueeze(0)});
  }
  return parts;
}

std::vector<LabeledPart> parts_of_rank(const std::vector<LabeledPart>& all, const Collectives& collectives) {
  const auto count = std::ssize(all);
  const std::int64_t first = count * collectives.rank() / collectives.world_size(),
                     end = count * (collectives.rank() + 1) / collectives.world_size();
  return {all.begin() + first, all.begin() + end};
}

// Calls `compute` on one rank, on 2, on 3, and on more than there are parts, and expects equal tensors.
void expect_same_bits_over_ranks(const std::function<at::Tensor(const std::vector<LabeledPart>& train,
                                                                const std::vector<LabeledPart>& test,
                                                                const Collectives& collectives)>& compute) {
  const std::vector<LabeledPart> train = clouds(150, 2), test = clouds(60, 3);
  at::set_num_threads(1);
  const at::Tensor expected = compute(train, test, SingleProcess());
  for (const std::int64_t world_size : {2, 3, 11}) {
    run_ranks(world_size, [&](const Collectives& collectives) {
      at::set_num_threads(1);
      const at::Tensor actual =
          compute(parts_of_rank(train, collectives), parts_of_rank(test, collectives), collectives);
      EXPECT_TRUE(actual.equal(expected)) << "rank " << collectives.rank() << " of " << world_size;
    });
  }
}

at::Tensor joined(const LinearClassifier& classifier) {
  return at::cat({classifier.weight_KD, classifier.bias_K.unsqueeze(1)}, 1);
}

TEST(Lbfgs, FindsTheMinimumOfRosenbrocksFunction) {
  int evaluations = 0;
  const Objective rosenbrock{
      .evaluate =
          [&](const at::Tensor& x) {
            ++evaluations;
            const double a = x[0].item<double>(), b = x[1].item<double>(), bend = b - a * a;
            return Objective::Point{x, (1 - a) * (1 - a) + 100 * bend * bend,
                                    at::tensor({2 * (a - 1) - 400 * a * bend, 200 * bend}, at::kDouble)};
          },
      .precondition = [](const at::Tensor& gradient) { return gradient.clone(); },
      .is_minimum =
          [](const Objective::Point& point) { return point.gradient.norm().item<double>() < 1e-9; }};
  const Minimum minimum = minimize(rosenbrock, at::tensor({-1.2, 1.0}, at::kDouble), 200);
  EXPECT_TRUE(minimum.converged);
  testing::expect_close(minimum.point.x, at::ones({2}, at::kDouble), 0, 1e-8);
  EXPECT_LT(evaluations, 100);
  EXPECT_FALSE(minimize(rosenbrock, at::tensor({-1.2, 1.0}, at::kDouble), 3).converged);
}

TEST(Lbfgs, HasConvergedWithoutADecreaseOnlyIfRoundingIsLeft) {
  const auto minimize_square = [](double factor_of_gradient) {
    const Objective objective{.evaluate =
                                  [=](const at::Tensor& x) {
                                    const at::Tensor distance = x - 3;
                                    return Objective::Point{x, 1 + distance.square().sum().item<double>(),
                                                            distance * 2 * factor_of_gradient};
                                  },
                              .precondition = [](const at::Tensor& gradient) { return gradient.clone(); },
                              .is_minimum = [](const Objective::Point&) { return false; }};
    return minimize(objective, at::tensor({1.0, 2.5}, at::kDouble), 100);
  };
  const Minimum at_minimum = minimize_square(1);
  EXPECT_TRUE(at_minimum.converged);
  testing::expect_close(at_minimum.point.x, at::full({2}, 3.0, at::kDouble), 0, 1e-6);
  EXPECT_FALSE(minimize_square(-1).converged) << "a gradient that leads upwards";
}

TEST(LogisticProbe, HasAGradientOfZeroAtItsMinimum) {
  const std::vector<LabeledPart> train = clouds(150, 2);
  const double c = 0.5;
  const LinearClassifier classifier = fit_logistic_probe(train, kClasses, c, SingleProcess()).classifier;
  at::Tensor weight = classifier.weight_KD.clone().requires_grad_(),
             bias = classifier.bias_K.clone().requires_grad_(), loss = weight.square().sum() / 2;
  for (const LabeledPart& part : train) {
    const at::Tensor scores = at::addmm(bias, part.features_BD.to(at::kDouble), weight.t());
    loss =
        loss + at::cross_entropy_loss(scores, at::tensor(part.labels, at::kLong), {}, at::Reduction::Sum) * c;
  }
  loss.backward();
  EXPECT_LT(weight.grad().norm().item<double>(), 1e-5 * classifier.weight_KD.norm().item<double>());
  EXPECT_LT(bias.grad().norm().item<double>(), 1e-4);
  EXPECT_GT(metrics_of(classifier, clouds(60, 3), SingleProcess()).acc1, 0.7);
}

TEST(LogisticProbe, HasTheSameBitsOnAnyNumberOfRanks) {
  expect_same_bits_over_ranks([](const auto& train, const auto&, const Collectives& collectives) {
    const LogisticProbe probe = fit_logistic_probe(train, kClasses, std::nullopt, collectives);
    return at::cat({joined(probe.classifier).flatten(),
                    at::tensor({probe.c, static_cast<double>(probe.iterations)}, at::kDouble)});
  });
}

TEST(LogisticProbe, OfSeparableClassesEnds) {
  std::vector<LabeledPart> train = clouds(150, 2);
  for (LabeledPart& part : train) {
    for (std::size_t row = 0; row < part.labels.size(); ++row)
      part.features_BD[static_cast<std::int64_t>(row)][part.labels[row]] += 30;
  }
  const LogisticProbe probe = fit_logistic_probe(train, kClasses, 1e6, SingleProcess());
  EXPECT_TRUE(probe.converged);
  EXPECT_LT(probe.iterations, 500);
  EXPECT_EQ(metrics_of(probe.classifier, train, SingleProcess()).acc1, 1);
}

TEST(LogisticProbe, NeedsTwoImagesOfAClassToChooseItsRegulariser) {
  const std::vector<LabeledPart> train = {{at::eye(3, kDim), {2, 0, 1}}};
  expect_user_error([&] { fit_logistic_probe(train, kClasses, std::nullopt, SingleProcess()); },
                    {"no class has two images", "give more images, or a C"});
  EXPECT_EQ(
      metrics_of(fit_logistic_probe(train, kClasses, 10, SingleProcess()).classifier, train, SingleProcess())
          .acc1,
      1);
}

// Rows that become smaller and smaller, each to be told from the others with large weights.
TEST(LogisticProbe, SaysThatItHasNotConverged) {
  constexpr std::int64_t kRows = 40;
  at::manual_seed(5);
  std::vector<LabeledPart> train = {{at::randn({kRows, 30}), {}}};
  for (std::int64_t row = 0; row < kRows; ++row) {
    train[0].features_BD[row].mul_(std::pow(10.0, -static_cast<double>(row) / 5));
    train[0].labels.push_back(row % kClasses);
  }
  ::testing::internal::CaptureStderr();
  const LogisticProbe probe = fit_logistic_probe(train, kClasses, 1e9, SingleProcess());
  const std::string errors = ::testing::internal::GetCapturedStderr();
  ASSERT_FALSE(probe.converged);
  EXPECT_THAT(errors, ::testing::HasSubstr("has not converged with C 1e+09 after 1000 iterations"));
}

TEST(LogisticProbe, ReportsWhatItTries) {
  std::map<double, double> acc1_of_c;
  const LogisticProbe probe =
      fit_logistic_probe(clouds(150, 2), kClasses, std::nullopt, SingleProcess(),
                         [&](double c, double acc1, std::int64_t) { acc1_of_c[c] = acc1; });
  EXPECT_EQ(std::ssize(acc1_of_c), probe.num_fits - 1) << "the last is the one to all images";
  EXPECT_EQ(acc1_of_c.at(probe.c), probe.validation_acc1);
}

TEST(AreSameImages, ComparesFoldersByWhateverPathAndSplitsOfShards) {
  const testing::TempDir folder;
  testing::write_text(folder / "classes/a/1.png", "");
  testing::write_text(folder / "other/a/1.png", "");
  for (const std::string split : {"train", "test"})
    testing::write_text(folder / "shards" / split / "nshards.txt", "1");
  std::filesystem::create_directory_symlink(folder / "shards", folder / "link");
  const auto are_same = [&](const std::string& root, const std::string& other, const std::string& split) {
    return are_same_images(folder / root, "train", folder / other, split);
  };
  for (const std::string same : {"classes", "classes/", "./classes", "other/../classes"})
    EXPECT_TRUE(are_same("classes", same, "test")) << same;
  EXPECT_FALSE(are_same("classes", "other", "test"));
  EXPECT_FALSE(are_same("classes", "missing", "test"));
  EXPECT_FALSE(are_same("shards", "link", "test"));
  EXPECT_TRUE(are_same("shards", "link", "train"));
}

TEST(AreSameImages, TellsTheSplitsOfAListApart) {
  const testing::TempDir folder;
  testing::write_text(folder / "train_test_split.txt", "1 0");
  std::filesystem::create_directory(folder / "images");
  EXPECT_FALSE(are_same_images(folder.path(), "train", folder.path(), "test"));
  EXPECT_TRUE(are_same_images(folder.path(), "test", folder.path(), "test"));
}

TEST(ClassPlaces, CountRowsOfAClassOverAllRanks) {
  const std::vector<LabeledPart> all = {{at::eye(3, kDim), {2, 0, 2}}, {at::eye(2, kDim), {2, 0}}};
  run_ranks(2, [&](const Collectives& collectives) {
    const ClassPlaces places = class_places(parts_of_rank(all, collectives), kClasses, collectives);
    EXPECT_THAT(places.rows_of_class, ElementsAre(2, 0, 3));
    if (collectives.rank() == 0) {
      EXPECT_THAT(places.of_row.at(0), ElementsAre(0, 0, 1));
    } else {
      EXPECT_THAT(places.of_row.at(0), ElementsAre(2, 1));
    }
  });
}

TEST(FewShot, DrawsAsManyImagesOfEachClassAndDiffersBetweenDraws) {
  const std::vector<LabeledPart> train = clouds(150, 2);
  const std::vector<std::string> names = {"a", "b", "c"};
  const auto probes = fit_few_shot_probes(train, names, {.shots = 2, .draws = 4, .seed = 7}, SingleProcess());
  ASSERT_EQ(probes.size(), 4U);
  EXPECT_FALSE(joined(probes[0]).equal(joined(probes[1])));
  const auto again = fit_few_shot_probes(train, names, {.shots = 2, .draws = 2, .seed = 7}, SingleProcess());
  EXPECT_TRUE(joined(probes[1]).equal(joined(again[1]))) << "a function of seed and draw";
  const auto all = fit_few_shot_probes(train, names, {.shots = 20, .draws = 1, .c = 0.1}, SingleProcess());
  EXPECT_GT(metrics_of(all[0], clouds(60, 3), SingleProcess()).acc1, 0.7);
  expect_user_error([&] { fit_few_shot_probes(train, names, {.shots = 100}, SingleProcess()); },
                    {"the class 'a' has", "fewer than the 100 that are to be drawn from each class"});
}

TEST(FewShot, HasTheSameBitsOnAnyNumberOfRanks) {
  expect_same_bits_over_ranks([](const auto& train, const auto&, const Collectives& collectives) {
    const auto probes = fit_few_shot_probes(train, {"a", "b", "c"}, {.shots = 25, .draws = 2}, collectives);
    return at::stack({joined(probes[0]), joined(probes[1])});
  });
}

TEST(NearestNeighbors, VoteByWeightAndByNumber) {
  // Cosines with the test row: 1, 0.6, 0.6, 0.
  const std::vector<LabeledPart> train = {{at::tensor({2.0F, 0.0F, 3.0F, 4.0F}).view({2, 2}), {1, 0}},
                                          {at::tensor({3.0F, -4.0F, 0.0F, 1.0F}).view({2, 2}), {0, 2}}};
  const std::vector<LabeledPart> test = {{at::tensor({5.0F, 0.0F}).view({1, 2}), {1}}};
  NeighborVotes found;
  const auto ask = [&](std::int64_t k, double temperature) {
    vote_of_neighbors(train, test, 3, {.k = k, .temperature = temperature}, SingleProcess(),
                      [&](const LabeledPart&, const NeighborVotes& votes) { found = votes; });
  };
  ask(3, 0.2);
  const double ratio = std::exp(-0.4 / 0.2), total = 1 + 2 * ratio;
  testing::expect_close(found.weighted_BK,
                        at::tensor({2 * ratio / total, 1 / total, 0.0}, at::kDouble).unsqueeze(0), 1e-5,
                        1e-6);
  testing::expect_close(found.plain_BK, at::tensor({2.0 / 3, 1.0 / 3, 0.0}, at::kDouble).unsqueeze(0), 1e-6,
                        0);
  ask(2, 0.001);  // of equal ones the first; exp(1000) would overflow
  testing::expect_close(found.weighted_BK, at::tensor({0.0, 1.0, 0.0}, at::kDouble).unsqueeze(0), 0, 1e-6);
  testing::expect_close(found.plain_BK, at::tensor({0.5, 0.5, 0.0}, at::kDouble).unsqueeze(0), 0, 1e-6);
  expect_user_error([&] { ask(5, 1); }, {"4 usable images", "fewer than the 5 neighbors"});
}

TEST(NearestNeighbors, HaveTheSameBitsOnAnyNumberOfRanks) {
  expect_same_bits_over_ranks([](const auto& train, const auto& test, const Collectives& collectives) {
    at::Tensor own = at::empty({0, kClasses});
    vote_of_neighbors(
        train, test, kClasses, {.k = 7}, collectives,
        [&](const LabeledPart&, const NeighborVotes& votes) { own = at::cat({own, votes.weighted_BK}); });
    return collectives.gather_rows(own).rows_ND;
  });
}

TEST(SgdProbe, LearnsInBothOrdersAndOnSeveralRanks) {
  const std::vector<LabeledPart> train = clouds(150, 2), test = clouds(60, 3);
  const SgdProbeOptions options{.epochs = 30, .batch_size = 32, .seed = 3};
  const LinearClassifier start = initial_sgd_probe(kClasses, kDim, 3);
  EXPECT_NEAR(start.weight_KD.std().item<double>(), 0.01, 0.004);
  std::vector<std::int64_t> epochs;
  const LinearClassifier expected =
      fit_sgd_probe(train, start, options, SingleProcess(),
                    [&](std::int64_t epoch, const LinearClassifier&) { epochs.push_back(epoch); });
  EXPECT_EQ(epochs.size(), 30U);
  EXPECT_GT(metrics_of(expected, test, SingleProcess()).acc1, 0.7);
  SgdProbeOptions stored = options;
  stored.shuffles = false;
  EXPECT_FALSE(joined(fit_sgd_probe(train, start, stored, SingleProcess())).equal(joined(expected)));
  run_ranks(3, [&](const Collectives& collectives) {
    testing::expect_close(
        joined(fit_sgd_probe(parts_of_rank(train, collectives), start, options, collectives)),
        joined(expected), 1e-3, 1e-4);
  });
}

TEST(MatchClasses, MatchesByNameAndNamesWhatIsMissing) {
  EXPECT_THAT(match_classes({"a", "b", "c"}, {"c", "a", "b"}, "train", "test"), ElementsAre(2, 0, 1));
  EXPECT_THAT(match_classes({"crane", "crane"}, {"crane", "crane"}, "train", "test"), ElementsAre(0, 1));
  expect_user_error([] { match_classes({"a", "b"}, {"a", "d"}, "train", "test"); },
                    {"'test' has the class 'd', 'train' does not"});
  expect_user_error([] { match_classes({"a", "b", "e"}, {"b", "a"}, "train", "test"); },
                    {"'train' has the class 'e', 'test' does not"});
  expect_user_error([] { match_classes({"a", "a"}, {"a", "b"}, "train", "test"); },
                    {"two classes of 'train' are called 'a'"});
  expect_user_error([] { match_classes({"a", "b"}, {"a", "a"}, "train", "test"); },
                    {"two classes of 'test' are called 'a'"});
}

TEST(EncodeLabeled, GivesTheStageAndTheMatchedClasses) {
  testing::ScaledModel model{testing::random_model(testing::tiny_vit(), 3)};
  const FeatureEncoder encoder(model, ImageConfig{}, nullptr);
  EncodeOptions options{.precision = Precision::fp32, .batch_size = 4, .data = {}};
  options.data.max_bad_share = 0.5;
  const auto source = std::make_shared<testing::ColorSource>(11, std::set<std::int64_t>{1});
  const std::vector<std::int64_t> classes = {4, 3, 2, 1, 0};  // labels are 0 1 2 3 4 0 1 2 3 4 0
  const auto parts = encode_labeled(encoder, source, classes, FeatureStage::tower, options, SingleProcess());
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_THAT(parts[0].labels, ElementsAre(4, 2, 1));
  EXPECT_EQ(parts[0].features_BD.sizes(), at::IntArrayRef({3, model.config().image.width}));
  EXPECT_EQ(num_rows_of_all(parts, SingleProcess()), 10);
  expect_user_error(
      [&] { encode_labeled(encoder, source, {0, 1, 2}, FeatureStage::unit, options, SingleProcess()); },
      {"image 3 has the label 3", "3 class names"});
}

}  // namespace
}  // namespace cloob
