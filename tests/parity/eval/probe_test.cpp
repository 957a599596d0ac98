// Probes against scikit-learn and PyTorch, on features of images of CIFAR-10 (tools/goldens/make_probe.py).
#include <ATen/Functions.h>
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cloob/base/files.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/eval/probe/linear_probe.h"
#include "cloob/eval/probe/nearest_neighbors.h"
#include "eval/probe/logistic_regression.h"
#include "support/support.h"

namespace cloob {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kClasses = 10;

class ProbeParity : public ::testing::Test {
 protected:
  // In parts of 64 rows.
  std::vector<LabeledPart> parts_of(const std::string& split) const {
    std::vector<LabeledPart> parts;
    const at::Tensor features = golden(split).to(at::kFloat), labels = golden(split + "_labels");
    for (std::int64_t first = 0; first < features.size(0); first += 64) {
      LabeledPart& part = parts.emplace_back();
      part.features_BD = features.slice(0, first, first + 64);
      const auto* label = labels.const_data_ptr<std::int64_t>() + first;
      part.labels.assign(label, label + part.features_BD.size(0));
    }
    return parts;
  }
  const at::Tensor& golden(const std::string& name) const { return tensors_.at(name); }

  NamedTensors tensors_ = read_safetensors(testing::golden_path("eval/probe.safetensors")).tensors;
  Json json_ = Json::parse(read_file(testing::golden_path("eval/probe.json")));
  std::vector<LabeledPart> train_ = parts_of("train"), test_ = parts_of("test");
  SingleProcess collectives_;
};

TEST_F(ProbeParity, LogisticRegressionIsThatOfScikitLearn) {
  for (const Json& expected : json_.at("logistic")) {
    const double c = expected.at("c").get<double>();
    const LogisticProbe probe = fit_logistic_probe(train_, kClasses, c, collectives_);
    EXPECT_TRUE(probe.converged) << c;
    EXPECT_LT(probe.iterations, 120) << c;
    testing::expect_relative_norm(probe.classifier.weight_KD, golden(fmt::format("weight_{:g}", c)), 1e-4);
    testing::expect_relative_norm(probe.classifier.bias_K, golden(fmt::format("bias_{:g}", c)), 1e-4);
    const ZeroShotMetrics metrics = metrics_of(probe.classifier, test_, collectives_);
    EXPECT_NEAR(metrics.acc1, expected.at("lp_acc1").get<double>(), 1e-9) << c;
    EXPECT_NEAR(metrics.mean_per_class_recall, expected.at("lp_mean_per_class_recall").get<double>(), 1e-9)
        << c;
    const LogisticRegression regression(train_, kClasses, collectives_);
    EXPECT_NEAR(regression.fit(c, regression.zeros(), {}).objective / expected.at("objective").get<double>(),
                1, 1e-9)
        << c;
  }
}

TEST_F(ProbeParity, TheRegulariserIsTheOneThatScikitLearnWouldChoose) {
  const LogisticProbe probe = fit_logistic_probe(train_, kClasses, std::nullopt, collectives_);
  const Json& expected = json_.at("sweep");
  EXPECT_DOUBLE_EQ(probe.c, expected.at("c").get<double>());
  EXPECT_NEAR(probe.validation_acc1.value(), expected.at("validation_acc1").get<double>(), 1e-9);
  EXPECT_EQ(probe.num_fits, expected.at("fits").get<int>() + 1) << "and one on all images";
}

TEST_F(ProbeParity, NeighborsVoteAsInScikitLearn) {
  std::vector<at::Tensor> weighted, plain;
  vote_of_neighbors(train_, test_, kClasses, {}, collectives_,
                    [&](const LabeledPart&, const NeighborVotes& votes) {
                      weighted.push_back(votes.weighted_BK.argmax(1));
                      plain.push_back(votes.plain_BK.argmax(1));
                    });
  EXPECT_TRUE(at::cat(weighted).equal(golden("knn_weighted")));
  EXPECT_TRUE(at::cat(plain).equal(golden("knn_plain")));
}

TEST_F(ProbeParity, SgdIsThatOfPyTorch) {
  const LinearClassifier start{golden("sgd_start"), at::zeros({kClasses})};
  const LinearClassifier classifier =
      fit_sgd_probe(train_, start, {.epochs = 8, .batch_size = 64, .shuffles = false}, collectives_);
  testing::expect_close(classifier.weight_KD, golden("sgd_weight"), 1e-4, 1e-6);
  testing::expect_close(classifier.bias_K, golden("sgd_bias"), 1e-4, 1e-6);
}

}  // namespace
}  // namespace cloob
